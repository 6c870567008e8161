import { type FileHandle, open } from 'node:fs/promises';
import { sha256 } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import { readJsonFile, unwritable, writeJsonFile } from '../state/json-file.js';
import { type AuditLine, GENESIS, makeLine, parseLine } from './line.js';

export const auditEvents = [
  'client.started',
  'client.enrolled',
  'client.connected',
  'client.stopped',
  'package.seen',
  'package.allowed',
  'package.refused',
  'task.started',
  'task.finished',
  'task.failed',
  'task.aborted',
  'task.refused',
  'data.changed',
  'update.uploaded',
  'audit.repaired',
] as const;
export type AuditEvent = (typeof auditEvents)[number];

export interface AuditLog {
  /**
   * Resolves when the line is on the disk. Lines are written in the order of the calls.
   * @throws ConsiliumError CLIENT_STATE_UNWRITABLE; then nothing of the line is in the file.
   */
  append(event: AuditEvent, details: Readonly<Record<string, unknown>>): Promise<void>;
  /** How many bytes of a line that a crash had cut off were removed at opening; 0 if none. */
  readonly repairedBytes: number;
  close(): Promise<void>;
}

/** Beside the log: the newest line's number and hash, so that cutting off lines at the end is found too. */
export function headFile(file: string): string {
  return `${file}.head`;
}

export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

/**
 * Opens or creates the log. What a crash left of an unfinished last line is cut off, and a line says so.
 * @param now milliseconds since 1970
 * @throws ConsiliumError CLIENT_AUDIT_BROKEN when the last line was changed, CLIENT_STATE_UNWRITABLE
 */
export async function openAudit(file: string, now: () => number): Promise<AuditLog> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'a+', 0o600);
    await handle.close();
    // Positions are ours: append mode would ignore them, and a failed write could not be taken back.
    handle = await open(file, 'r+');
  } catch (cause) {
    throw unwritable(file, cause);
  }
  try {
    const { text, end, torn } = await lastLine(handle);
    const last = text === undefined ? undefined : check(text, file);
    const log = new FileAudit(
      handle,
      file,
      now,
      { seq: last?.seq ?? 0, previous: hashOf(text), end },
      torn.length,
    );
    if (torn.length > 0) {
      await handle.truncate(end);
      await log.append('audit.repaired', { bytes: torn.length, sha256: sha256(torn) });
    }
    return log;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function hashOf(text: string | undefined): string {
  return text === undefined ? GENESIS : sha256(text);
}

function check(text: string, file: string): AuditLine {
  const line = parseLine(text);
  if (typeof line !== 'string') return line;
  throw new ConsiliumError('CLIENT_AUDIT_BROKEN', `The last line: ${line}.`, { where: file });
}

/** The last complete line, the offset behind it, and the bytes of an unfinished one. */
async function lastLine(
  handle: FileHandle,
): Promise<{ text: string | undefined; end: number; torn: Uint8Array }> {
  const { size } = await handle.stat();
  let start = size;
  let tail = Buffer.alloc(0);
  while (start > 0) {
    const length = Math.min(start, 64 * 1024);
    start -= length;
    const chunk = Buffer.alloc(length);
    await handle.read(chunk, 0, length, start);
    tail = Buffer.concat([chunk, tail]);
    const stop = tail.lastIndexOf(10);
    const before = stop < 1 ? -1 : tail.lastIndexOf(10, stop - 1);
    if (stop >= 0 && (before >= 0 || start === 0)) {
      const text = tail.subarray(before + 1, stop).toString('utf8');
      return { text, end: start + stop + 1, torn: tail.subarray(stop + 1) };
    }
  }
  return { text: undefined, end: 0, torn: tail };
}

class FileAudit implements AuditLog {
  readonly repairedBytes: number;
  readonly #handle: FileHandle;
  readonly #file: string;
  readonly #now: () => number;
  #seq: number;
  #previous: string;
  #end: number;
  #queue: Promise<void> = Promise.resolve();

  constructor(
    handle: FileHandle,
    file: string,
    now: () => number,
    at: { seq: number; previous: string; end: number },
    repairedBytes: number,
  ) {
    this.#handle = handle;
    this.#file = file;
    this.#now = now;
    this.#seq = at.seq;
    this.#previous = at.previous;
    this.#end = at.end;
    this.repairedBytes = repairedBytes;
  }

  append(event: AuditEvent, details: Readonly<Record<string, unknown>>): Promise<void> {
    const done = this.#queue.then(() => this.#write(event, details));
    this.#queue = done.catch(() => undefined); // the caller has the error; the next line must not wait for it
    return done;
  }

  async #write(event: AuditEvent, details: Readonly<Record<string, unknown>>): Promise<void> {
    const at = new Date(this.#now()).toISOString();
    const text = makeLine({ seq: this.#seq + 1, at, event, details, previous: this.#previous });
    const bytes = Buffer.from(`${text}\n`);
    try {
      // A disk that runs full takes the first half of a line without an error; asked again, it says so.
      for (let done = 0; done < bytes.length; ) {
        done += (await this.#handle.write(bytes, done, bytes.length - done, this.#end + done)).bytesWritten;
      }
      await this.#handle.sync();
    } catch (cause) {
      // Best effort: a rest that stays is behind #end and is overwritten, or cut off at the next opening.
      await this.#handle.truncate(this.#end).catch(() => undefined);
      throw unwritable(this.#file, cause);
    }
    this.#seq += 1;
    this.#end += bytes.length;
    this.#previous = sha256(text);
    const head: AuditHead = { seq: this.#seq, hash: this.#previous };
    await writeJsonFile(headFile(this.#file), head);
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#handle.close();
  }
}

/** The head that was last written, if there is one. */
export async function readHead(file: string): Promise<AuditHead | undefined> {
  const value = (await readJsonFile(headFile(file))) as Partial<AuditHead> | undefined;
  if (value === undefined) return undefined;
  if (typeof value?.seq === 'number' && typeof value.hash === 'string')
    return { seq: value.seq, hash: value.hash };
  throw new ConsiliumError('CLIENT_STATE_DAMAGED', 'seq or hash is missing.', { where: headFile(file) });
}
