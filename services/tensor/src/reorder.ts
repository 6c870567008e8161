import type { ByteOrder } from './dtype.js';
import { elementSize } from './dtype.js';
import { elementCount } from './shape.js';
import type { DType } from './types.js';

/** Swaps the bytes of every element in place. `bytes` are whole elements. */
export function swapBytes(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else if (size === 8) buffer.swap64();
}

/** True where Fortran and C order put the elements in different places. */
export function ordersDiffer(shape: readonly number[]): boolean {
  return elementCount(shape) > 0 && shape.filter((extent) => extent > 1).length > 1;
}

/** Fortran-order elements in C order, in a new buffer. */
export function fortranToC(bytes: Uint8Array, shape: readonly number[], size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  const rank = shape.length;
  const last = shape[rank - 1] ?? 1;
  // In Fortran order the stride of an axis is the product of the extents before it.
  const strides: number[] = [];
  let stride = 1;
  for (const extent of shape) {
    strides.push(stride);
    stride *= extent;
  }
  const lastStride = strides[rank - 1] ?? 1;
  const copy = copier(bytes, out, size);
  const index = new Array<number>(rank).fill(0);
  let base = 0;
  for (let to = 0; to < stride; to += last) {
    copy(base, lastStride, to, last);
    for (let axis = rank - 2; axis >= 0; axis--) {
      base += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      base -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** Copies `count` elements with a stride, by machine words: float arrays would change some NaNs. */
function copier(from: Uint8Array, to: Uint8Array, size: number) {
  const half = size === 8 ? 4 : size;
  const Words = half === 4 ? Uint32Array : half === 2 ? Uint16Array : Uint8Array;
  const aligned = from.byteOffset % half === 0 ? from : new Uint8Array(from);
  const source = new Words(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / half);
  const target = new Words(to.buffer as ArrayBuffer, to.byteOffset, to.byteLength / half);
  return (start: number, stride: number, at: number, count: number): void => {
    if (size === 8) {
      for (let i = 0; i < count; i++) {
        const read = (start + i * stride) * 2;
        const write = (at + i) * 2;
        target[write] = source[read]!;
        target[write + 1] = source[read + 1]!;
      }
    } else {
      for (let i = 0; i < count; i++) target[at + i] = source[start + i * stride]!;
    }
  };
}

/** Elements as they are in a file, made little-endian (in place) and C order (a new buffer where needed). */
export function toNativeOrder(
  bytes: Uint8Array,
  form: { dtype: DType; shape: readonly number[]; byteOrder: ByteOrder; fortranOrder: boolean },
): Uint8Array {
  const size = elementSize(form.dtype);
  if (form.byteOrder === 'big') swapBytes(bytes, size);
  return form.fortranOrder && ordersDiffer(form.shape) ? fortranToC(bytes, form.shape, size) : bytes;
}
