import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Logger, StoreConfig } from '@consilium/platform';
import { ConsiliumError, type ObjectRef } from '@consilium/protocol';
import type { CheckJob, HeavyWork, Job, JobAnswer, JobMessage, PartialJob, WorkerSetup } from './jobs.js';

export interface PoolOptions {
  readonly store: StoreConfig;
  /** Each thread gets a folder below it, which it empties when it starts. */
  readonly tempDir: string;
  /** Bytes for all threads together. */
  readonly memory: number;
  readonly threads: number;
  readonly log: Logger;
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (result: ObjectRef | null) => void;
  readonly reject: (error: ConsiliumError) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly number: number;
  current: Waiting | undefined;
}

/** A few threads that check updates and make partials, in the order they are asked. */
export class WorkerPool implements HeavyWork {
  readonly #options: PoolOptions;
  readonly #threads = new Set<Thread>();
  readonly #queue: Waiting[] = [];
  #jobs = 0;
  #stopped = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    for (let number = 0; number < options.threads; number++) this.#start(number);
  }

  async check(job: Omit<CheckJob, 'type'>): Promise<void> {
    await this.#submit({ ...job, type: 'check' });
  }

  async partial(job: Omit<PartialJob, 'type'>): Promise<ObjectRef> {
    const result = await this.#submit({ ...job, type: 'partial' });
    if (result === null) throw new ConsiliumError('INTERNAL', 'A partial was made and has no name.');
    return result;
  }

  /** Ends the threads at once. Jobs that wait or run are rejected; whoever asked asks again after a restart. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const stopped = new ConsiliumError('BUS_CLOSED', 'The combiner is stopping.');
    for (const waiting of this.#queue.splice(0)) waiting.reject(stopped);
    await Promise.all([...this.#threads].map((thread) => thread.worker.terminate()));
  }

  #submit(job: Job): Promise<ObjectRef | null> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) {
        reject(new ConsiliumError('BUS_CLOSED', 'The combiner is stopping.'));
        return;
      }
      this.#queue.push({ job, resolve, reject });
      this.#dispatch();
    });
  }

  #start(number: number): void {
    const { store, tempDir, memory, threads } = this.#options;
    const setup: WorkerSetup = {
      store,
      tempDir: join(tempDir, `thread-${number}`),
      memory: Math.floor(memory / threads),
    };
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: setup });
    const thread: Thread = { worker, number, current: undefined };
    this.#threads.add(thread);
    worker.on('message', (answer: JobAnswer) => this.#answered(thread, answer));
    worker.on('error', (error) => this.#options.log.error({ err: error }, 'a worker thread failed'));
    worker.on('exit', () => this.#ended(thread));
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (thread.current !== undefined) continue;
      const next = this.#queue.shift();
      if (next === undefined) return;
      thread.current = next;
      const message: JobMessage = { id: ++this.#jobs, job: next.job };
      thread.worker.postMessage(message);
    }
  }

  #answered(thread: Thread, answer: JobAnswer): void {
    const waiting = thread.current;
    thread.current = undefined;
    if ('error' in answer) waiting?.reject(ConsiliumError.fromBody(answer.error));
    else waiting?.resolve(answer.result);
    this.#dispatch();
  }

  /** A thread that died takes its job with it; the others wait for the next one. */
  #ended(thread: Thread): void {
    this.#threads.delete(thread);
    thread.current?.reject(new ConsiliumError('INTERNAL', 'The thread that worked on it ended.'));
    if (this.#stopped) return;
    setTimeout(() => {
      if (this.#stopped) return;
      this.#start(thread.number);
      this.#dispatch();
    }, 500);
  }
}
