import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parentPort } from 'node:worker_threads';
import { finishMean } from '@consilium/aggregation';
import {
  Digester,
  fileSource,
  type ObjectStore,
  objectSource,
  type StoreConfig,
  storeFromConfig,
} from '@consilium/platform';
import { asConsiliumError, buckets, ConsiliumError, type ObjectRef, objectKeys } from '@consilium/protocol';
import { openNpz } from '@consilium/tensor';

/** What the worker thread is asked: partials of one round in, the next global model out. */
export interface ReduceJob {
  readonly store: StoreConfig;
  readonly session: string;
  readonly round: number;
  /** The round's base model: its names, shapes and dtypes are the result's. */
  readonly base: ObjectRef;
  readonly partials: readonly ObjectRef[];
  /** A folder for nothing else: it is removed when the thread is ended in the middle of a job. */
  readonly tmpDir: string;
  /** Bound on the buffers of the aggregation. */
  readonly memoryBytes: number;
}

export type ReduceAnswer =
  | { readonly ok: true; readonly candidate: ObjectRef }
  | { readonly ok: false; readonly error: ReturnType<ConsiliumError['toBody']> };

async function reduce(job: ReduceJob): Promise<ObjectRef> {
  const store = await storeFromConfig(job.store);
  const file = join(job.tmpDir, `${job.session}-${job.round}.npz`);
  try {
    await mkdir(job.tmpDir, { recursive: true, mode: 0o700 });
    const base = await openNpz(await objectSource(store, job.base.bucket, job.base.key));
    const partials = await Promise.all(
      job.partials.map(async (ref) => ({
        source: await intactSource(store, ref),
        label: ref.key,
      })),
    );
    const digester = new Digester();
    const mean = finishMean(partials, base.entries, { memoryBytes: job.memoryBytes });
    const hashed = async function* () {
      for await (const chunk of mean) {
        digester.update(chunk);
        yield chunk;
      }
    };
    await pipeline(Readable.from(hashed()), createWriteStream(file, { mode: 0o600 }));
    const digest = digester.digest();
    const source = await fileSource(file);
    try {
      const key = objectKeys.candidate(job.session, job.round, digest);
      try {
        await store.put(buckets.work, key, source.stream(), { size: source.size, digest, writeOnce: true });
      } catch (error) {
        if (!(error instanceof ConsiliumError && error.code === 'STORE_EXISTS')) throw error;
      }
      return { bucket: buckets.work, key, digest, size: source.size };
    } finally {
      await source.close();
    }
  } finally {
    await rm(file, { force: true });
    await store.close();
  }
}

/**
 * Sums are read by ranges, which no checksum covers, so all of it is read once before it counts.
 * @throws STORE_DIGEST_MISMATCH, STORE_NOT_FOUND
 */
async function intactSource(store: ObjectStore, ref: ObjectRef) {
  const source = await objectSource(store, ref.bucket, ref.key);
  const digester = new Digester();
  for await (const chunk of source.stream()) digester.update(chunk);
  const found = digester.digest();
  if (found === ref.digest) return source;
  throw new ConsiliumError('STORE_DIGEST_MISMATCH', `It has digest ${found}, not ${ref.digest}.`, {
    where: `${ref.bucket}/${ref.key}`,
  });
}

const port = parentPort;
port?.on('message', (job: ReduceJob) => {
  reduce(job)
    .then(
      (candidate): ReduceAnswer => ({ ok: true, candidate }),
      (error: unknown): ReduceAnswer => ({ ok: false, error: asConsiliumError(error).toBody() }),
    )
    .then((answer) => port.postMessage(answer))
    .catch((error: unknown) => {
      throw error;
    });
});
