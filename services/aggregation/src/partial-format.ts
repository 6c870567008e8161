import { ConsiliumError } from '@consilium/protocol/errors';
import type { ByteSource, TensorInfo } from '@consilium/tensor';
import { openNpz } from '@consilium/tensor';
import { isFloat } from './sum/float-sums.js';
import { MAX_TERMS, MAX_WEIGHT } from './sum/grid.js';

/** Version of the partial's format and of the grid; another one cannot be added to it. */
export const PARTIAL_FORMAT = 1;

/** The scalars that come before the sums, all int64. */
export const partialScalars: readonly TensorInfo[] = ['format', 'weight', 'count'].map((name) => ({
  name,
  dtype: 'int64',
  shape: [],
}));

/**
 * Tensors of a partial: `format`, `weight` (sum of weights) and `count` (number of contributions), then for each
 * parameter `sum/<name>` with a last axis of two lanes, (high, low): float64 with high + low the sum for floats;
 * int64 with high · 2^64 + low (low unsigned) for integers and bool. The lanes of an element lie side by side
 * so that a tensor of any size can be written slice by slice.
 */
export function partialInfos(infos: readonly TensorInfo[]): TensorInfo[] {
  const sums = infos.map(({ name, dtype, shape }): TensorInfo => {
    return { name: `sum/${name}`, dtype: isFloat(dtype) ? 'float64' : 'int64', shape: [...shape, 2] };
  });
  return [...partialScalars, ...sums];
}

/** What a partial stands for. */
export interface PartialTotals {
  /** Sum of the weights. */
  readonly weight: number;
  /** Number of contributions. */
  readonly count: number;
}

/** Adds up totals. Throws AGG_NO_WEIGHT for none, AGG_TOO_MANY beyond MAX_TERMS contributions. */
export function addTotals(totals: readonly PartialTotals[]): PartialTotals {
  if (totals.length === 0) throw new ConsiliumError('AGG_NO_WEIGHT', 'There is no contribution.');
  const count = totals.reduce((sum, each) => sum + each.count, 0);
  if (count > MAX_TERMS) {
    throw new ConsiliumError(
      'AGG_TOO_MANY',
      `There are ${count}, at most ${MAX_TERMS} can be added exactly.`,
    );
  }
  return { weight: totals.reduce((sum, each) => sum + each.weight, 0), count };
}

/** Reads and checks the scalars of a partial. Throws AGG_BAD_PARTIAL, or an NPZ_ code. */
export async function readTotals(source: ByteSource, label: string): Promise<PartialTotals> {
  const reader = await openNpz(source, { maxNameBytes: 2048 });
  const values: number[] = [];
  for (const { name } of partialScalars) {
    const entry = reader.has(name) ? reader.entry(name) : undefined;
    if (entry?.dtype !== 'int64' || entry.shape.length > 0) {
      throw new ConsiliumError('AGG_BAD_PARTIAL', `It has no int64 scalar "${name}".`, { where: label });
    }
    const { data } = await reader.read(name);
    values.push(Number(data[0]));
  }
  const [format, weight, count] = values as [number, number, number];
  if (format !== PARTIAL_FORMAT) {
    const detail = `Its format is ${format}, this version adds format ${PARTIAL_FORMAT}.`;
    throw new ConsiliumError('AGG_BAD_PARTIAL', detail, { where: label });
  }
  const plausible = count >= 1 && count <= MAX_TERMS && weight >= count && weight <= count * MAX_WEIGHT;
  if (!plausible) {
    const detail = `It claims ${count} contributions with a total weight of ${weight}.`;
    throw new ConsiliumError('AGG_BAD_PARTIAL', detail, { where: label });
  }
  return { weight, count };
}
