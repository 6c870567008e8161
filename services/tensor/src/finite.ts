import { typedData } from './tensor.js';
import type { DType } from './types.js';

/**
 * Index of the first NaN or infinity among raw little-endian elements, -1 when there is none (always for
 * integers and bool). `bytes` is a chunk of whole elements, as `NpzReader.stream` yields them.
 * Throws NPZ_DATA_LENGTH where it is not.
 */
export function firstNonFinite(dtype: DType, bytes: Uint8Array): number {
  switch (dtype) {
    case 'float32':
      return firstWithBits(typedData('uint32', bytes), 0x7f800000, 0, 1);
    case 'float64':
      // The exponent is in the high word, which comes second in memory; eight bytes an element.
      return typedData('float64', bytes).length === 0
        ? -1
        : firstWithBits(typedData('uint32', bytes), 0x7ff00000, 1, 2);
    case 'float16':
      return firstWithBits(typedData('uint16', bytes), 0x7c00, 0, 1);
    case 'bfloat16':
      return firstWithBits(typedData('uint16', bytes), 0x7f80, 0, 1);
    default:
      return -1;
  }
}

/** True where a chunk of raw little-endian elements has neither NaN nor infinity. */
export function isFiniteChunk(dtype: DType, bytes: Uint8Array): boolean {
  return firstNonFinite(dtype, bytes) === -1;
}

/** A float is not finite exactly when all bits of its exponent are set. */
function firstWithBits(words: Uint32Array | Uint16Array, mask: number, start: number, step: number): number {
  for (let i = start; i < words.length; i += step) {
    if ((words[i]! & mask) === mask) return (i - start) / step;
  }
  return -1;
}
