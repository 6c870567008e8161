import { bytesOf, encodeBfloat16, encodeFloat16 } from '@consilium/tensor';
import type { FloatDType } from './float-sums.js';

/**
 * Rounds float64 results to the target dtype, once, to nearest with ties to even, and gives them as
 * little-endian bytes; float64 results are handed on, not copied. A result that rounds to zero becomes +0, so
 * that a mean never shows a −0 that depends on which negative number was too small to show.
 */
export function narrow(values: Float64Array, dtype: FloatDType): Uint8Array {
  if (dtype === 'float64') {
    for (let i = 0; i < values.length; i++) values[i] = values[i]! + 0;
    return bytesOf(values);
  }
  if (dtype === 'float32') {
    const out = new Float32Array(values);
    plusZeros(new Uint32Array(out.buffer), 0x8000_0000);
    return bytesOf(out);
  }
  const out = dtype === 'float16' ? encodeFloat16(values) : encodeBfloat16(values);
  plusZeros(out, 0x8000);
  return bytesOf(out);
}

function plusZeros(bits: Uint32Array | Uint16Array, minusZero: number): void {
  for (let i = 0; i < bits.length; i++) if (bits[i] === minusZero) bits[i] = 0;
}
