import { ConsiliumError } from '@consilium/protocol/errors';
import type { ByteSource, NpzReader } from '@consilium/tensor';
import { sameStructure } from '@consilium/tensor';
import { ByteCursor } from './byte-cursor.js';
import { labelled, openLabelled } from './model-file.js';
import { largestDifference, squaredDistance, squaredNorm, toNumbers } from './numbers.js';

/** How one tensor differs between two models. */
export interface TensorDifference {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** True where all elements have the same bits. */
  readonly equal: boolean;
  /** Largest |a − b|; NaN where a side has a NaN. */
  readonly maxAbs: number;
  /** ‖a − b‖₂. */
  readonly l2: number;
  /** ‖a − b‖₂ / ‖a‖₂; 0 for equal tensors, infinite where a is zero and b is not. */
  readonly relative: number;
}

export interface ModelDifference {
  readonly equal: boolean;
  readonly maxAbs: number;
  readonly l2: number;
  readonly relative: number;
  readonly tensors: readonly TensorDifference[];
}

const CHUNK_BYTES = 2 ** 18;

/**
 * Compares two models element by element, in a few chunks of memory. Throws AGG_MISMATCH where they are not
 * comparable (names, order, dtypes, shapes), or NPZ_ codes.
 */
export async function diffModels(a: ByteSource, b: ByteSource): Promise<ModelDifference> {
  const first = await openLabelled(a, 'first model', CHUNK_BYTES);
  const second = await openLabelled(b, 'second model', CHUNK_BYTES);
  const difference = sameStructure(first.entries, second.entries);
  if (difference !== undefined) {
    throw new ConsiliumError('AGG_MISMATCH', difference, { where: 'second model' });
  }
  const compared = [];
  for (const entry of first.entries) compared.push(await diffTensor(first, second, entry.name));
  const maxAbs = compared.reduce((max, { totals }) => Math.max(max, totals.maxAbs), 0);
  const squares = compared.reduce((sum, { totals }) => sum + totals.squares, 0);
  const size = compared.reduce((sum, { totals }) => sum + totals.size, 0);
  return {
    equal: compared.every(({ totals }) => totals.equal),
    maxAbs,
    l2: Math.sqrt(squares),
    relative: ratio(squares, size),
    tensors: compared.map(({ entry, totals }) => ({
      name: entry.name,
      dtype: entry.dtype,
      shape: entry.shape,
      equal: totals.equal,
      maxAbs: totals.maxAbs,
      l2: Math.sqrt(totals.squares),
      relative: ratio(totals.squares, totals.size),
    })),
  };
}

function ratio(squares: number, size: number): number {
  return squares === 0 ? 0 : Math.sqrt(squares / size);
}

async function diffTensor(first: NpzReader, second: NpzReader, name: string) {
  const entry = first.entry(name);
  const { dtype } = entry;
  const totals = { equal: true, maxAbs: 0, squares: 0, size: 0 };
  const other = new ByteCursor(second.stream(name));
  try {
    for await (const chunk of first.stream(name)) {
      const found = await other.take(chunk.length);
      totals.equal &&= Buffer.compare(chunk, found) === 0;
      const [a, b] = [toNumbers(dtype, chunk), toNumbers(dtype, found)];
      totals.maxAbs = Math.max(totals.maxAbs, largestDifference(a, b));
      totals.squares += squaredDistance(a, b);
      totals.size += squaredNorm(a);
    }
    await labelled('second model', () => other.finish());
  } finally {
    await other.close();
  }
  return { entry, totals };
}
