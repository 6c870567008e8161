import { ConsiliumError } from '@consilium/protocol/errors';
import { elementSize } from './dtype.js';
import { encodeBfloat16, encodeFloat16 } from './half.js';
import { elementCount, quote } from './shape.js';
import type { DType, TensorInfo } from './types.js';

/** The typed array that holds each dtype; float16 and bfloat16 as raw bits, bool as 0 and 1. */
export interface TensorDataOf {
  float16: Uint16Array;
  bfloat16: Uint16Array;
  float32: Float32Array;
  float64: Float64Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
}

export type TensorData = TensorDataOf[DType];

export interface TensorOf<D extends DType> extends TensorInfo {
  readonly dtype: D;
  /** Elements in C order. */
  readonly data: TensorDataOf[D];
}

/** A whole tensor in memory; `dtype` tells the type of `data`. */
export type Tensor = { [D in DType]: TensorOf<D> }[DType];

const arrays = {
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/**
 * A typed array over little-endian bytes; no copy where they are aligned, else one.
 * Throws NPZ_DATA_LENGTH where they are not whole elements.
 */
export function typedData<D extends DType>(dtype: D, bytes: Uint8Array): TensorDataOf[D] {
  const size = elementSize(dtype);
  if (bytes.byteLength % size !== 0) {
    throw new ConsiliumError('NPZ_DATA_LENGTH', `${bytes.byteLength} bytes are not whole ${dtype} elements.`);
  }
  const from = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const view = new arrays[dtype](from.buffer as ArrayBuffer, from.byteOffset, from.byteLength / size);
  return view as TensorDataOf[D];
}

/** The bytes under a typed array, not copied. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** True where `data` is the typed array that belongs to `dtype` (raw bytes are not, save for uint8 and bool). */
export function isDataOf<D extends DType>(dtype: D, data: unknown): data is TensorDataOf[D] {
  return data instanceof arrays[dtype];
}

/**
 * Makes a tensor. `values` is either the typed array of the dtype, which is then owned by the tensor and not
 * copied, or numbers (bigints for 64-bit integers), which are converted; floats are rounded to nearest.
 * Throws NPZ_DATA_LENGTH where the count does not match the shape, NPZ_DATA_TYPE where an integer does not
 * fit its dtype or the typed array is another one.
 */
export function tensorFrom<D extends DType>(
  name: string,
  dtype: D,
  shape: readonly number[],
  values: TensorDataOf[D] | readonly number[] | readonly bigint[] | readonly boolean[],
): TensorOf<D> {
  const where = `tensor ${quote(name)}`;
  const count = elementCount(shape, where);
  elementSize(dtype);
  if (values.length !== count) {
    throw new ConsiliumError(
      'NPZ_DATA_LENGTH',
      `The shape (${shape.join(', ')}) has ${count} elements, ${values.length} were given.`,
      { where },
    );
  }
  return { name, dtype, shape: [...shape], data: toData(dtype, values, where) };
}

function toData<D extends DType>(dtype: D, values: unknown, where: string): TensorDataOf[D] {
  if (isDataOf(dtype, values)) return values;
  if (!Array.isArray(values)) {
    throw new ConsiliumError('NPZ_DATA_TYPE', `A typed array of another type was given for ${dtype}.`, {
      where,
    });
  }
  if (dtype === 'int64' || dtype === 'uint64') {
    const wide = new arrays[dtype](values.length);
    for (let i = 0; i < wide.length; i++) {
      const value: unknown = values[i];
      const whole =
        typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(value as number) : null;
      if (whole !== null) wide[i] = whole;
      if (whole === null || wide[i] !== whole) throw unfit(dtype, value, i, where);
    }
    return wide as TensorDataOf[D];
  }
  if (dtype === 'float16') return encodeFloat16(values as number[]) as TensorDataOf[D];
  if (dtype === 'bfloat16') return encodeBfloat16(values as number[]) as TensorDataOf[D];
  if (dtype === 'float32') return Float32Array.from(values as number[]) as TensorDataOf[D];
  if (dtype === 'float64') return Float64Array.from(values as number[]) as TensorDataOf[D];
  const out = new arrays[dtype](values.length) as Int32Array;
  for (let i = 0; i < out.length; i++) {
    const value = Number(values[i]);
    out[i] = value;
    if (out[i] !== value || (dtype === 'bool' && value > 1)) throw unfit(dtype, values[i], i, where);
  }
  return out as TensorData as TensorDataOf[D];
}

function unfit(dtype: DType, value: unknown, index: number, where: string): ConsiliumError {
  return new ConsiliumError(
    'NPZ_DATA_TYPE',
    `Element ${index} is ${String(value)}, which no ${dtype} holds.`,
    {
      where,
    },
  );
}
