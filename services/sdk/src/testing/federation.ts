import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { bufferSource, openNpz, type TensorInput, writeNpz } from '@consilium/tensor';
import type { Run } from '../entry.js';
import { runEntry } from './run-entry.js';

export interface FederationRequest {
  readonly init: Run;
  readonly train: Run;
  /** Data folder of each site. */
  readonly sites: readonly string[];
  readonly rounds: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** Folder for everything that is written. */
  readonly folder: string;
}

/**
 * Trains over sites in one process, round after round, with FedAvg: for trying out a package and tuning its
 * settings. Gives the path of the last global model.
 */
export async function simulateFederation(request: FederationRequest): Promise<string> {
  const { folder, config, seed } = request;
  const first = await runEntry(request.init, { entry: 'init', folder: join(folder, 'init'), config, seed });
  let weights = first.weights;
  for (let round = 1; round <= request.rounds; round++) {
    const updates: { path: string; examples: number }[] = [];
    for (const [index, dataDir] of request.sites.entries()) {
      const result = await runEntry(request.train, {
        entry: 'train',
        folder: join(folder, `round-${round}`, `site-${index + 1}`),
        stateDir: join(folder, 'state', `site-${index + 1}`),
        config,
        seed: taskSeed(seed, round, index),
        dataDir,
        inputs: { weights },
        site: `site-${index + 1}`,
        round,
      });
      updates.push({ path: result.weights, examples: Number(result.metadata.num_examples) });
    }
    weights = join(folder, `round-${round}`, 'global.npz');
    await writeMean(updates, weights);
  }
  return weights;
}

/** A seed of its own for each task, in the range of the contract. */
function taskSeed(seed: number, round: number, site: number): number {
  return (seed * 1_000_003 + round * 1009 + site * 31 + 7) % 2 ** 31;
}

/** Mean of float32 weights, weighted by examples, in double precision (McMahan et al. 2017, algorithm 1). */
export async function writeMean(
  updates: readonly { readonly path: string; readonly examples: number }[],
  output: string,
): Promise<void> {
  const readers = await Promise.all(updates.map(({ path }) => openNpz(bufferSource(readFileSync(path)))));
  const total = updates.reduce((sum, { examples }) => sum + examples, 0);
  const tensors: TensorInput[] = [];
  for (const { name, shape } of readers[0]?.entries ?? []) {
    let sum: Float64Array | undefined;
    for (const [index, reader] of readers.entries()) {
      const { data } = await reader.read(name);
      sum ??= new Float64Array(data.length);
      const weight = (updates[index]?.examples ?? 0) / total;
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + weight * Number(data[i]);
    }
    tensors.push({ name, dtype: 'float32', shape, data: Float32Array.from(sum ?? []) });
  }
  await pipeline(Readable.from(writeNpz(tensors)), createWriteStream(output));
}
