import { rm } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { ConsiliumError, type ObjectRef } from '@consilium/protocol';
import type { ReduceAnswer, ReduceJob } from './reduce-worker.js';

/**
 * Makes candidate models in a thread of its own, so that leases and requests are served meanwhile. The thread is
 * kept: loading its modules takes longer than averaging a small model.
 */
export class Reductions {
  readonly #program: URL;
  #worker: Worker | undefined;
  /** Jobs run one after the other; the memory bound is that of one. */
  #queue: Promise<unknown> = Promise.resolve();

  /** @param program another one in tests. */
  constructor(program = new URL('./reduce-worker.js', import.meta.url)) {
    this.#program = program;
  }

  /** @throws whatever the aggregation throws (AGG_, NPZ_, STORE_); the reason of the signal */
  run(job: ReduceJob, signal: AbortSignal): Promise<ObjectRef> {
    const done = this.#queue.then(() => this.#run(job, signal));
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.#end();
  }

  async #run(job: ReduceJob, signal: AbortSignal): Promise<ObjectRef> {
    signal.throwIfAborted();
    const worker = this.#worker ?? this.#start();
    let stop: () => void = () => undefined;
    let answered = false;
    try {
      const answer = await new Promise<ReduceAnswer>((resolve, reject) => {
        const failed = (reason: unknown) => reject(reason);
        const exited = (code: number) =>
          reject(new ConsiliumError('INTERNAL', `The aggregation thread ended with code ${code}.`));
        const aborted = () => reject(signal.reason);
        worker.once('message', resolve);
        worker.once('error', failed);
        worker.once('exit', exited);
        signal.addEventListener('abort', aborted, { once: true });
        stop = () => {
          worker.off('message', resolve);
          worker.off('error', failed);
          worker.off('exit', exited);
          signal.removeEventListener('abort', aborted);
        };
        worker.postMessage(job);
      });
      answered = true;
      stop();
      if (answer.ok) return answer.candidate;
      throw ConsiliumError.fromBody(answer.error);
    } catch (error) {
      stop();
      // Without an answer the thread is still at work: what it says later must not be taken for the next job's.
      if (!answered) {
        await this.#end();
        await rm(job.tmpDir, { recursive: true, force: true });
      }
      throw error;
    }
  }

  #start(): Worker {
    const worker = new Worker(this.#program);
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}
