import type { Bus, Logger } from '@consilium/platform';
import {
  asConsiliumError,
  type ConsiliumError,
  type HelloRequest,
  type SyncRequest,
  subjects,
  type Task,
} from '@consilium/protocol';
import { backoffMs, type Clock } from '../retry.js';
import type { CombinerLink } from './combiner-link.js';
import { Wake } from './wake.js';

/** A combiner that has not answered for this long is given up: the reducer names another one. */
const LOST_AFTER_MS = 15_000;

export interface SyncLoopOptions {
  readonly bus: Bus;
  readonly link: CombinerLink;
  readonly client: string;
  readonly hello: HelloRequest;
  readonly clock: Clock;
  readonly log: Logger;
  /** What this client is doing now. */
  readonly report: () => SyncRequest['tasks'];
  /** All tasks that hold. Called with answers of the assigned combiner only. */
  readonly apply: (tasks: readonly Task[]) => void;
  /** The first answer of a combiner after the connection, or a change of combiner. */
  readonly onJoined: (combiner: string) => void;
}

/**
 * Keeps a client in step with its combiner: says what it does, learns what it should do. A `tasks` message is
 * only a reason to ask at once: it may come from a combiner this client has left, the answer cannot.
 */
export class SyncLoop {
  readonly #options: SyncLoopOptions;
  readonly #wake = new Wake();
  /** Troubles that have been told since things last went well. */
  readonly #said = new Set<string>();
  #everySeconds: number | undefined;

  constructor(options: SyncLoopOptions) {
    this.#options = options;
  }

  /** Something changed here that the combiner should know soon. */
  wake(): void {
    this.#wake.ring();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { bus, client, log } = this.#options;
    const unlisten = bus.onStatus((status) => {
      if (status.type === 'connected') this.#wake.ring();
    });
    const down = bus.subscribe(subjects.down(client, 'tasks'), () => this.#wake.ring());
    try {
      while (!signal.aborted) {
        const every = await this.#hello(signal);
        if (every !== undefined) await this.#follow(every * 1000, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      unlisten();
      await down.stop().catch((error: unknown) => log.debug({ err: error }, 'unsubscribing failed'));
    }
  }

  /**
   * Asks the reducer for a combiner: the first time until one is named, later once, then the one this client had
   * keeps its place. Gives the seconds between two syncs.
   */
  async #hello(signal: AbortSignal): Promise<number | undefined> {
    const { link, hello, clock } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const reply = await link.hello(hello, signal);
        this.#everySeconds = reply.sync_seconds;
        return reply.sync_seconds;
      } catch (error) {
        if (signal.aborted) break;
        const ms = backoffMs(attempt, 500, 15_000, clock.random());
        this.#say('no combiner yet, asking the reducer again', asConsiliumError(error), ms);
        await this.#wake.wait(ms, signal);
        this.#wake.clear();
        // The reducer may be away for longer than the combiner: it is tried again in turn.
        if (this.#everySeconds !== undefined) return this.#everySeconds;
      }
    }
    return undefined;
  }

  async #follow(everyMs: number, signal: AbortSignal): Promise<void> {
    const { link, clock, report, apply, onJoined, hello } = this.#options;
    let answered = clock.elapsed();
    let joined = false;
    for (let failures = 0; !signal.aborted; ) {
      this.#wake.clear();
      let tasks: readonly Task[];
      try {
        ({ tasks } = await link.sync({ instance: hello.instance, tasks: report() }, signal));
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        const ms = Math.min(everyMs, backoffMs(failures, 250, 4000, clock.random()));
        this.#say('the combiner does not answer', asConsiliumError(error), ms);
        if (clock.elapsed() - answered > LOST_AFTER_MS) return;
        await clock.sleep(ms, signal).catch(() => undefined); // ended by the signal, which the loop sees
        continue;
      }
      answered = clock.elapsed();
      failures = 0;
      this.#said.clear();
      if (!joined) onJoined(link.combiner ?? '');
      joined = true;
      apply(tasks);
      await this.#wake.wait(everyMs, signal);
    }
  }

  /** The same trouble is said once, not at every try. */
  #say(text: string, error: ConsiliumError, ms: number): void {
    const { log } = this.#options;
    const fields = { code: error.code, reason: error.detail, fix: error.fix, retry_ms: ms };
    const said = `${text} ${error.code} ${error.detail}`;
    if (this.#said.has(said)) log.debug(fields, text);
    else log.warn(fields, text);
    this.#said.add(said);
  }
}
