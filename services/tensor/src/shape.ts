import { ConsiliumError } from '@consilium/protocol/errors';
import { elementSize } from './dtype.js';
import type { TensorInfo } from './types.js';

/** NumPy 2 allows 64 extents; nothing that trains has more than a handful. */
const maxRank = 64;

/**
 * Number of elements of a shape; 1 for a scalar.
 * Throws NPZ_SHAPE for extents that are no whole numbers >= 0, for more than 64 extents, and where the
 * product of the non-zero extents exceeds 2^50 (so that byte counts stay exact in a double).
 */
export function elementCount(shape: readonly number[], where?: string): number {
  const at = where === undefined ? {} : { where };
  if (shape.length > maxRank) {
    throw new ConsiliumError(
      'NPZ_SHAPE',
      `It has ${shape.length} extents, at most ${maxRank} are possible.`,
      at,
    );
  }
  let product = 1;
  let empty = false;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new ConsiliumError('NPZ_SHAPE', `The extent ${extent} is not a whole number >= 0.`, at);
    }
    if (extent === 0) empty = true;
    else product *= extent;
    if (product > 2 ** 50) {
      throw new ConsiliumError('NPZ_SHAPE', `(${shape.join(', ')}) has more than 2^50 elements.`, at);
    }
  }
  return empty ? 0 : product;
}

/** Bytes of a tensor's elements. Throws NPZ_SHAPE or NPZ_DTYPE. */
export function byteLengthOf(info: Pick<TensorInfo, 'dtype' | 'shape'>, where?: string): number {
  return elementCount(info.shape, where) * elementSize(info.dtype);
}

/**
 * Compares names, dtypes and shapes in order. Returns undefined when they are the same, else the first
 * difference as a sentence; `a` is called expected, `b` found.
 */
export function sameStructure(a: readonly TensorInfo[], b: readonly TensorInfo[]): string | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const expected = a[i];
    const found = b[i];
    if (expected === undefined) {
      return `Expected ${a.length} tensors, found ${b.length}; the first extra one is ${quote(found!.name)}.`;
    }
    if (found === undefined) {
      return `Expected ${a.length} tensors, found ${b.length}; the first missing one is ${quote(expected.name)}.`;
    }
    if (expected.name !== found.name) {
      return `Tensor ${i}: expected the name ${quote(expected.name)}, found ${quote(found.name)}.`;
    }
    if (expected.dtype !== found.dtype) {
      return `Tensor ${quote(found.name)}: expected dtype ${expected.dtype}, found ${found.dtype}.`;
    }
    const same =
      expected.shape.length === found.shape.length && expected.shape.every((n, k) => n === found.shape[k]);
    if (!same) {
      return `Tensor ${quote(found.name)}: expected shape (${expected.shape.join(', ')}), found (${found.shape.join(', ')}).`;
    }
  }
  return undefined;
}

/** A name that came from outside, fit for a message: quoted, escaped, bounded. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}
