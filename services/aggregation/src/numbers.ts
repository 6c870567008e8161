import type { DType } from '@consilium/tensor';
import { decodeBfloat16, decodeFloat16, typedData } from '@consilium/tensor';

/** Elements as floating-point numbers. */
export type Numbers = Float32Array | Float64Array;

/**
 * Little-endian elements as numbers, not copied where they are float32 or float64 and aligned. Exact, but for
 * 64-bit integers beyond 2^53, which are rounded to float64.
 */
export function toNumbers(dtype: DType, bytes: Uint8Array): Numbers {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  if (dtype === 'float32' || dtype === 'float64') return typedData(dtype, aligned);
  if (dtype === 'float16') return decodeFloat16(typedData(dtype, aligned));
  if (dtype === 'bfloat16') return decodeBfloat16(typedData(dtype, aligned));
  if (dtype === 'int64' || dtype === 'uint64') return Float64Array.from(typedData(dtype, aligned), Number);
  return new Float64Array(typedData(dtype, aligned));
}

/** Σ (a − b)², added in the order of the elements in float64. */
export function squaredDistance(a: Numbers, b: Numbers): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    squares += difference * difference;
  }
  return squares;
}

/** Σ a². */
export function squaredNorm(a: Numbers): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += a[i]! * a[i]!;
  return squares;
}

/** Largest |a − b|; NaN where there is a NaN. */
export function largestDifference(a: Numbers, b: Numbers): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    // Infinities of the same sign are equal; their difference would be NaN.
    if (a[i] !== b[i]) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  }
  return largest;
}
