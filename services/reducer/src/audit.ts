import { canonicalJson, type EventStream, sha256 } from '@consilium/platform';
import { ConsiliumError, subjects } from '@consilium/protocol';

/** One line of the reducer's audit log. `hash` covers everything else, so the lines form a chain. */
export interface AuditLine {
  readonly seq: number;
  readonly at: string;
  readonly reducer: string;
  readonly event: string;
  readonly details: Readonly<Record<string, string | number>>;
  /** `hash` of the line before; 64 zeros for the first. */
  readonly previous: string;
  readonly hash: string;
}

const first = '0'.repeat(64);

export function hashOf(line: Omit<AuditLine, 'hash'>): string {
  return sha256(canonicalJson(line));
}

/** Number of the first line that does not follow from the one before; undefined when the chain holds. */
export function brokenAt(lines: readonly AuditLine[]): number | undefined {
  let previous = first;
  for (const [index, line] of lines.entries()) {
    const { hash, ...rest } = line;
    if (line.previous !== previous || line.seq !== index + 1 || hashOf(rest) !== hash) return index + 1;
    previous = hash;
  }
  return undefined;
}

/**
 * The reducers' hash-chained audit log, in a JetStream stream. Several reducers append to one chain: a line is
 * stored only directly after the line whose hash it holds.
 */
export class Audit {
  readonly #stream: EventStream;
  readonly #reducer: string;
  readonly #now: () => number;
  #queue: Promise<void> = Promise.resolve();

  constructor(stream: EventStream, reducer: string, now: () => number) {
    this.#stream = stream;
    this.#reducer = reducer;
    this.#now = now;
  }

  /** Resolves once the line is stored. @throws BUS_UNAVAILABLE: what could not be logged must not be done */
  append(event: string, details: AuditLine['details']): Promise<void> {
    const appended = this.#queue.then(() => this.#append(event, details));
    this.#queue = appended.catch(() => undefined);
    return appended;
  }

  async lines(): Promise<AuditLine[]> {
    const lines: AuditLine[] = [];
    for await (const message of this.#stream.read()) lines.push(message.value as AuditLine);
    return lines;
  }

  async #append(event: string, details: AuditLine['details']): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const last = await this.#stream.lastSequence();
      const before = last === 0 ? undefined : await this.#lineAt(last);
      const rest = {
        seq: last + 1,
        at: new Date(this.#now()).toISOString(),
        reducer: this.#reducer,
        event,
        details,
        previous: before?.hash ?? first,
      };
      try {
        const line: AuditLine = { ...rest, hash: hashOf(rest) };
        await this.#stream.publish(subjects.audit, line, { expectedLastSequence: last });
        return;
      } catch (error) {
        const isConflict = error instanceof ConsiliumError && error.code === 'BUS_CONFLICT';
        if (!isConflict || tries >= 20) throw error;
      }
    }
  }

  async #lineAt(sequence: number): Promise<AuditLine | undefined> {
    for await (const message of this.#stream.read({ from: sequence })) return message.value as AuditLine;
    return undefined;
  }
}
