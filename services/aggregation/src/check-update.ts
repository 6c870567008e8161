import { ConsiliumError } from '@consilium/protocol/errors';
import type { ByteSource, NpzEntry, NpzReader, TensorInfo } from '@consilium/tensor';
import { elementSize, npzLayout, sameStructure } from '@consilium/tensor';
import { ByteCursor } from './byte-cursor.js';
import { labelled, openLabelled } from './model-file.js';
import type { Numbers } from './numbers.js';
import { squaredDistance, toNumbers } from './numbers.js';
import type { FloatDType } from './sum/float-sums.js';
import { isFloat } from './sum/float-sums.js';
import { MAX_TERM } from './sum/grid.js';
import { badTermError, checkWeight } from './updates.js';

export interface UpdateCheck {
  /** What the update will weigh; every value times it must be summable. */
  readonly weight: number;
  /** Name of the site, for errors. */
  readonly label: string;
  /** Base model: the norm of the difference is computed where it is given. */
  readonly base?: ByteSource;
  /** Largest L2 norm of update − base that is accepted; needs `base`. */
  readonly maxNorm?: number;
}

export interface CheckedUpdate {
  /** Number of elements over all tensors. */
  readonly parameters: number;
  /** Size of the file. */
  readonly bytes: number;
  /** L2 norm of update − base over all floating-point tensors; only where a base was given. */
  readonly l2Norm?: number;
}

const CHUNK_BYTES = 2 ** 18;

/**
 * Checks an update before it counts, in one forward pass over its data, in a few chunks of memory: same names,
 * order, dtypes and shapes as the base model, the canonical file form (so that it has one size and can be read by
 * range), the CRC of every tensor, finite numbers, each value times the weight within the range of exact sums,
 * and where asked the norm of what it changes. A file whose size is wrong is refused before it is opened.
 * Throws AGG_MISMATCH, AGG_NOT_CANONICAL, AGG_NOT_FINITE, AGG_OUT_OF_RANGE, AGG_NORM, AGG_TOO_LARGE, AGG_BAD_WEIGHT,
 * NPZ_ codes.
 */
export async function checkUpdate(
  source: ByteSource,
  expected: readonly TensorInfo[],
  { weight, label, base, maxNorm }: UpdateCheck,
): Promise<CheckedUpdate> {
  checkWeight(weight, label);
  if (maxNorm !== undefined && base === undefined) throw new TypeError('maxNorm needs the base model');
  const layout = npzLayout(expected);
  // A file that is much larger than it can be is not even indexed; a smaller one deserves the precise reason.
  if (source.size > 2 * layout.size + 2 ** 20) {
    const detail = `It has ${source.size} bytes, the model has ${layout.size}.`;
    throw new ConsiliumError('AGG_TOO_LARGE', detail, { where: label });
  }
  const reader = await openLabelled(source, label, CHUNK_BYTES);
  const difference = sameStructure(expected, reader.entries);
  if (difference !== undefined) throw new ConsiliumError('AGG_MISMATCH', difference, { where: label });
  checkCanonical(reader.entries, layout, source.size, label);
  const before = base === undefined ? undefined : await openLabelled(base, 'base model', CHUNK_BYTES);
  if (before !== undefined) {
    const other = sameStructure(expected, before.entries);
    if (other !== undefined) throw new ConsiliumError('AGG_MISMATCH', other, { where: 'base model' });
  }
  let parameters = 0;
  let squares = 0;
  for (const entry of reader.entries) {
    const checked = await labelled(label, () => checkTensor(reader, entry, before, weight, label));
    parameters += checked.elements;
    squares += checked.squares;
  }
  const l2Norm = Math.sqrt(squares);
  if (maxNorm !== undefined && !(l2Norm <= maxNorm)) {
    throw new ConsiliumError('AGG_NORM', `The norm is ${l2Norm}, the bound is ${maxNorm}.`, { where: label });
  }
  return { parameters, bytes: source.size, ...(before === undefined ? {} : { l2Norm }) };
}

function checkCanonical(
  entries: readonly NpzEntry[],
  layout: ReturnType<typeof npzLayout>,
  size: number,
  label: string,
): void {
  for (const [i, { name, method, byteOrder, fortranOrder, dataOffset }] of entries.entries()) {
    const where = `${label}, tensor ${JSON.stringify(name)}`;
    const found =
      method !== 'stored' || byteOrder !== 'little' || fortranOrder
        ? `It is ${method}, ${byteOrder}-endian, in ${fortranOrder ? 'Fortran' : 'C'} order.`
        : dataOffset !== layout.entries[i]!.dataOffset
          ? `Its elements start at byte ${dataOffset} instead of ${layout.entries[i]!.dataOffset}.`
          : undefined;
    if (found !== undefined) throw new ConsiliumError('AGG_NOT_CANONICAL', found, { where });
  }
  if (size === layout.size) return;
  const detail = `It has ${size} bytes instead of ${layout.size}.`;
  throw new ConsiliumError('AGG_NOT_CANONICAL', detail, { where: label });
}

interface TensorCheck {
  readonly elements: number;
  /** Σ (update − base)², in the order of the elements; 0 without a base and for integers. */
  readonly squares: number;
}

async function checkTensor(
  reader: NpzReader,
  entry: NpzEntry,
  before: NpzReader | undefined,
  weight: number,
  label: string,
): Promise<TensorCheck> {
  const { name, dtype } = entry;
  const base = before === undefined || !isFloat(dtype) ? undefined : new ByteCursor(before.stream(name));
  let elements = 0;
  let squares = 0;
  try {
    for await (const chunk of reader.stream(name)) {
      const count = chunk.length / elementSize(dtype);
      if (isFloat(dtype)) {
        const values = checkValues(dtype, chunk, { entry, start: elements, weight, label });
        if (base !== undefined) {
          squares += squaredDistance(values, toNumbers(dtype, await base.take(chunk.length)));
        }
      }
      elements += count;
    }
    await base?.finish();
  } finally {
    await base?.close();
  }
  return { elements, squares };
}

function checkValues(
  dtype: FloatDType,
  chunk: Uint8Array,
  { entry, start, weight, label }: { entry: NpzEntry; start: number; weight: number; label: string },
): Numbers {
  const values = toNumbers(dtype, chunk);
  const limit = MAX_TERM / weight;
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    // The division only picks candidates; the product decides, as it does in the sum. NaN fails both.
    if (Math.abs(value) < limit || Math.abs(value * weight) <= MAX_TERM) continue;
    throw badTermError({ index, value }, entry, start, { weight, label });
  }
  return values;
}
