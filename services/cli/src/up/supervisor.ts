import { type ChildSpec, type RunningChild, startChild } from './child.js';

export type SupervisorEvent =
  | { readonly type: 'started'; readonly name: string; readonly pid: number; readonly restarts: number }
  | { readonly type: 'died'; readonly name: string; readonly how: string; readonly delayMs: number }
  | { readonly type: 'failed'; readonly name: string; readonly detail: string; readonly delayMs: number };

export interface SupervisorOptions {
  readonly onEvent: (event: SupervisorEvent) => void;
  readonly readyTimeoutMs?: number;
  readonly stopGraceMs?: number;
}

const firstDelay = 200;
const longestDelay = 10_000;
/** A child that lived this long starts with the first delay again. */
const stableMs = 30_000;

/**
 * Keeps the programs of the platform running: starts them in order, restarts what dies with backoff, stops them
 * in the reverse order.
 */
export class Supervisor {
  readonly #options: Required<SupervisorOptions>;
  readonly #children = new Map<string, RunningChild>();
  readonly #watchers: Promise<void>[] = [];
  readonly #order: string[] = [];
  readonly #stop = new AbortController();

  constructor(options: SupervisorOptions) {
    this.#options = { readyTimeoutMs: 60_000, stopGraceMs: 15_000, ...options };
  }

  /** Process ids by name, of what runs now. */
  pids(): Record<string, number> {
    return Object.fromEntries([...this.#children].map(([name, child]) => [name, child.pid]));
  }

  /** Starts one program and keeps it running from then on. @throws UP_CHILD_FAILED when the first start fails */
  async start(spec: ChildSpec): Promise<void> {
    const child = await startChild(spec, this.#options.readyTimeoutMs, this.#stop.signal);
    this.#order.push(spec.name);
    this.#enter(spec.name, child, 0);
    this.#watchers.push(this.#watch(spec, child));
  }

  /** Stops everything, last started first. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const name of [...this.#order].reverse())
      await this.#children.get(name)?.stop(this.#options.stopGraceMs);
    await Promise.all(this.#watchers);
    // A restart that was under way when the stop came may have brought one up behind our back.
    for (const child of this.#children.values()) await child.stop(this.#options.stopGraceMs);
  }

  #enter(name: string, child: RunningChild, restarts: number): void {
    this.#children.set(name, child);
    this.#options.onEvent({ type: 'started', name, pid: child.pid, restarts });
  }

  async #watch(spec: ChildSpec, first: RunningChild): Promise<void> {
    let child = first;
    let delay = firstDelay;
    for (let restarts = 1; ; restarts += 1) {
      const since = Date.now();
      const how = await child.ended;
      this.#children.delete(spec.name);
      if (this.#stop.signal.aborted) return;
      delay = Date.now() - since > stableMs ? firstDelay : delay;
      this.#options.onEvent({ type: 'died', name: spec.name, how, delayMs: delay });
      const next = await this.#restart(spec, delay);
      if (next === undefined) return;
      child = next;
      delay = Math.min(delay * 2, longestDelay);
      this.#enter(spec.name, child, restarts);
    }
  }

  async #restart(spec: ChildSpec, firstWait: number): Promise<RunningChild | undefined> {
    for (let delay = firstWait; ; delay = Math.min(delay * 2, longestDelay)) {
      await this.#sleep(delay);
      if (this.#stop.signal.aborted) return undefined;
      try {
        return await startChild(spec, this.#options.readyTimeoutMs, this.#stop.signal);
      } catch (error) {
        if (this.#stop.signal.aborted) return undefined;
        const detail = error instanceof Error ? error.message : String(error);
        this.#options.onEvent({ type: 'failed', name: spec.name, detail, delayMs: delay });
      }
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#stop.signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}
