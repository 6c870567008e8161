import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { checkUpdate, partialSum } from '@consilium/aggregation';
import { type ObjectStore, objectSource, storeFromConfig } from '@consilium/platform';
import { asConsiliumError, buckets, type ObjectRef, objectKeys } from '@consilium/protocol';
import { BaseModels } from './base-models.js';
import type { CheckJob, Job, JobAnswer, JobMessage, PartialJob, WorkerSetup } from './jobs.js';
import { fetchVerified, storeByDigest } from './update-file.js';

/** The thread that reads updates: one job at a time, over a store connection of its own. */
class UpdateWorker {
  readonly #setup: WorkerSetup;
  readonly #store: ObjectStore;
  readonly #bases: BaseModels;

  constructor(setup: WorkerSetup, store: ObjectStore) {
    this.#setup = setup;
    this.#store = store;
    this.#bases = new BaseModels(store, setup.tempDir);
  }

  async run(job: Job): Promise<ObjectRef | null> {
    if (job.type === 'partial') return await this.#partial(job);
    await this.#check(job);
    return null;
  }

  async #check({ base, update, weight, maxNorm, client }: CheckJob): Promise<void> {
    const expected = await this.#bases.infos(base);
    const before = maxNorm === null ? undefined : await this.#bases.file(base);
    const path = join(this.#setup.tempDir, 'update.npz');
    const source = await fetchVerified(this.#store, { ref: update, path, label: client });
    try {
      const norm = before === undefined || maxNorm === null ? {} : { base: before, maxNorm };
      await checkUpdate(source, expected, { weight, label: client, ...norm });
    } finally {
      await source.close();
    }
  }

  async #partial({ phase, combiner, epoch, base, updates }: PartialJob): Promise<ObjectRef> {
    const infos = await this.#bases.infos(base);
    const inputs = [];
    for (const { client, update, weight } of updates) {
      const source = await objectSource(this.#store, update.bucket, update.key);
      inputs.push({ source, weight, label: client });
    }
    const sums = partialSum(inputs, infos, { memoryBytes: this.#setup.memory });
    const keyOf = (digest: string): string => objectKeys.partial(phase, combiner, epoch, digest);
    return await storeByDigest(this.#store, sums, { bucket: buckets.work, keyOf }, this.#setup.tempDir);
  }
}

const port = parentPort;
if (port === null) throw new Error('this file is run as a worker thread');
const setup = workerData as WorkerSetup;
// What a predecessor left when it was killed.
await rm(setup.tempDir, { recursive: true, force: true });
await mkdir(setup.tempDir, { recursive: true });
const worker = new UpdateWorker(setup, await storeFromConfig(setup.store));

async function answer({ id, job }: JobMessage): Promise<JobAnswer> {
  try {
    return { id, result: await worker.run(job) };
  } catch (error) {
    return { id, error: asConsiliumError(error).toBody() };
  }
}

port.on('message', (message: JobMessage) => {
  void answer(message).then((reply) => port.postMessage(reply));
});
