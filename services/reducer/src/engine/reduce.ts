import { Worker } from 'node:worker_threads';
import { ConsiliumError, type ObjectRef } from '@consilium/protocol';
import type { ReduceAnswer, ReduceJob } from './reduce-worker.js';

/**
 * Makes a round's candidate model in a thread of its own, so that leases and requests are served meanwhile.
 * @throws whatever the aggregation throws (AGG_, NPZ_, STORE_)
 */
export async function reduceInThread(job: ReduceJob, signal: AbortSignal): Promise<ObjectRef> {
  const worker = new Worker(new URL('./reduce-worker.js', import.meta.url), { workerData: job });
  const abort = () => void worker.terminate();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const answer = await new Promise<ReduceAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) =>
        reject(new ConsiliumError('INTERNAL', `The aggregation thread ended with code ${code}.`)),
      );
    });
    if (answer.ok) return answer.candidate;
    throw ConsiliumError.fromBody(answer.error);
  } finally {
    signal.removeEventListener('abort', abort);
    await worker.terminate();
  }
}
