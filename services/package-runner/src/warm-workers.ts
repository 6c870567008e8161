import type { TaskRequest, TaskResult } from './contract.js';
import type { RunOptions } from './preparation.js';
import { runTask } from './run.js';
import { incapable, WarmWorker } from './warm-worker.js';

interface Slot {
  readonly session: string;
  worker: WarmWorker | undefined;
  /** Tasks of one worker run one after the other. */
  queue: Promise<unknown>;
  waiting: number;
  idle: NodeJS.Timeout | undefined;
}

/**
 * Keeps a process alive for each session and package, so that a framework is started once and not for
 * every task. Everything that cannot run in one is run as a process of its own, with the same result.
 */
export class WarmWorkers {
  readonly #slots = new Map<string, Slot>();
  /** Packages that turned out to have no `run` in some entry. */
  readonly #incapable = new Set<string>();
  readonly #idleMs: number;
  #closed = false;

  /** @param options.idleMs how long a worker without work is kept; 120 s. */
  constructor(options: { idleMs?: number } = {}) {
    this.#idleMs = options.idleMs ?? 120_000;
  }

  /** How many processes are alive. */
  get size(): number {
    return [...this.#slots.values()].filter((slot) => slot.worker?.usable === true).length;
  }

  /** As `runTask`, in the session's worker if the package allows it. */
  async run(request: TaskRequest, options: RunOptions): Promise<TaskResult> {
    const { package: pack } = options;
    const identity = `${pack.folder} ${pack.digest}`;
    if (this.#closed || pack.runtime !== 'node' || !pack.worker || this.#incapable.has(identity)) {
      return runTask(request, options);
    }
    const slot = this.#slot(request, options);
    clearTimeout(slot.idle);
    slot.waiting += 1;
    const turn = slot.queue.then(() => this.#runIn(slot, request, options));
    slot.queue = turn.catch(() => undefined);
    try {
      const result = await turn;
      if (result !== incapable) return result;
      this.#incapable.add(identity);
      return await runTask(request, options);
    } finally {
      slot.waiting -= 1;
      if (slot.waiting === 0) this.#rest(slot);
    }
  }

  async #runIn(
    slot: Slot,
    request: TaskRequest,
    options: RunOptions,
  ): Promise<TaskResult | typeof incapable> {
    // A task that was called off while it waited needs no process; runTask says so in the usual way.
    if (options.signal?.aborted === true || this.#closed) return runTask(request, options);
    if (slot.worker?.usable !== true) {
      await slot.worker?.stop();
      slot.worker = await WarmWorker.start(request, options);
    }
    return slot.worker.run(request, options);
  }

  /** Everything that is fixed when a worker starts is part of its key. */
  #slot(request: TaskRequest, options: RunOptions): Slot {
    const { package: pack, workDir, limits, accelerator, sandbox, env } = options;
    const { session, site, dataDir, stateDir } = request;
    const key = JSON.stringify([
      session,
      site,
      dataDir,
      stateDir,
      pack.folder,
      pack.digest,
      workDir,
      limits,
      accelerator,
      sandbox,
      env,
    ]);
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot: Slot = { session, worker: undefined, queue: Promise.resolve(), waiting: 0, idle: undefined };
    this.#slots.set(key, slot);
    return slot;
  }

  #rest(slot: Slot): void {
    clearTimeout(slot.idle);
    slot.idle = setTimeout(() => {
      if (slot.waiting === 0) void this.#end(slot);
    }, this.#idleMs);
    slot.idle.unref();
  }

  async #end(slot: Slot): Promise<void> {
    clearTimeout(slot.idle);
    const { worker } = slot;
    slot.worker = undefined;
    for (const [key, other] of this.#slots) if (other === slot) this.#slots.delete(key);
    await worker?.stop();
  }

  /** Stops the workers of a session; a task that runs in one of them fails. */
  async endSession(session: string): Promise<void> {
    await Promise.all(
      [...this.#slots.values()].filter((slot) => slot.session === session).map((slot) => this.#end(slot)),
    );
  }

  /** Stops all workers. Later tasks are run one process each. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#slots.values()].map((slot) => this.#end(slot)));
  }
}
