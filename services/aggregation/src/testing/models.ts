import type { ByteSource, Tensor, TensorInfo } from '@consilium/tensor';
import { bufferSource, collect, tensorFrom, writeNpz } from '@consilium/tensor';
import type { WeightedUpdate } from '../updates.js';
import { hardContributions } from './hard-sums.js';
import { seededRandom } from './random.js';

/** Contributions with every kind of tensor: hard numbers, all float dtypes, integers, a scalar, an empty one. */
export async function hardUpdates(clients: number, seed: number): Promise<WeightedUpdate[]> {
  const random = seededRandom(seed);
  const single = hardContributions(clients, 60, seed, 'float32');
  const double = hardContributions(clients, 30, seed + 1, 'float64');
  const models = single.map(({ values }, i): Tensor[] => {
    const some = (n: number, scale: number) => Array.from({ length: n }, () => (random() - 0.5) * scale);
    return [
      tensorFrom('dense/kernel', 'float32', [6, 10], [...values]),
      tensorFrom('dense/bias', 'float64', [30], double[i]!.values),
      tensorFrom('empty', 'float32', [0, 3], []),
      tensorFrom('scale', 'float32', [], some(1, 4)),
      tensorFrom('half', 'float16', [5], some(5, 100)),
      tensorFrom('brain', 'bfloat16', [7], some(7, 1e-3)),
      tensorFrom('steps', 'int64', [], [BigInt(Math.floor(random() * 2 ** 40))]),
      tensorFrom('counts', 'uint8', [3], [0, 255, Math.floor(random() * 256)]),
      tensorFrom('mask', 'bool', [2], [random() < 0.5, true]),
    ];
  });
  return Promise.all(
    models.map(async (tensors, i) => ({
      source: await sourceOf(tensors),
      weight: single[i]!.weight,
      label: `site-${i}`,
    })),
  );
}

export async function sourceOf(tensors: readonly Tensor[]): Promise<ByteSource> {
  return bufferSource(await collect(writeNpz(tensors)));
}

export function infosOf(tensors: readonly TensorInfo[]): TensorInfo[] {
  return tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
}

export async function hexOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.from(await collect(chunks)).toString('hex');
}

/** One float32 tensor `w` of these values, as an update. */
export async function simpleUpdate(
  values: readonly number[],
  weight: number,
  label = 'site',
): Promise<WeightedUpdate> {
  return { source: await sourceOf([tensorFrom('w', 'float32', [values.length], values)]), weight, label };
}
