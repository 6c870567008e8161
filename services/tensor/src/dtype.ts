import { ConsiliumError } from '@consilium/protocol/errors';
import type { DType } from './types.js';

/** Order of the bytes of one element. One-byte types count as little-endian. */
export type ByteOrder = 'little' | 'big';

/** Bytes an element and NumPy's type letters. Node runs on little-endian machines only. */
const table: Readonly<Record<DType, { readonly size: number; readonly letters: string }>> = {
  float16: { size: 2, letters: 'f2' },
  bfloat16: { size: 2, letters: 'V2' },
  float32: { size: 4, letters: 'f4' },
  float64: { size: 8, letters: 'f8' },
  int8: { size: 1, letters: 'i1' },
  int16: { size: 2, letters: 'i2' },
  int32: { size: 4, letters: 'i4' },
  int64: { size: 8, letters: 'i8' },
  uint8: { size: 1, letters: 'u1' },
  uint16: { size: 2, letters: 'u2' },
  uint32: { size: 4, letters: 'u4' },
  uint64: { size: 8, letters: 'u8' },
  bool: { size: 1, letters: 'b1' },
};

export const dtypes: readonly DType[] = Object.freeze(Object.keys(table) as DType[]);

const byLetters = new Map<string, DType>(dtypes.map((dtype) => [table[dtype].letters, dtype]));

export function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(table, value);
}

/** float16, bfloat16, float32 or float64: the dtypes that can hold a NaN. */
export function isFloatDType(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';
}

/** Bytes of one element. Throws NPZ_DTYPE for a name that is no dtype. */
export function elementSize(dtype: DType): number {
  if (!isDType(dtype))
    throw new ConsiliumError('NPZ_DTYPE', `${JSON.stringify(dtype)} is not a known dtype.`);
  return table[dtype].size;
}

/** NumPy's `descr` of a dtype, as `numpy.save` writes it: `<f4`, `>i8`, `|b1`, `|V2`. */
export function descrOf(dtype: DType, byteOrder: ByteOrder = 'little'): string {
  const size = elementSize(dtype);
  const mark = size === 1 || dtype === 'bfloat16' ? '|' : byteOrder === 'big' ? '>' : '<';
  return mark + table[dtype].letters;
}

/**
 * The dtype and byte order that a `descr` string names.
 * Throws NPZ_OBJECT_DTYPE for pickled objects and NPZ_DTYPE for anything else that is not supported.
 */
export function parseDescr(descr: string, where: string): { dtype: DType; byteOrder: ByteOrder } {
  const mark = descr.charAt(0);
  const letters = descr.slice(1);
  if (letters.startsWith('O')) {
    throw new ConsiliumError('NPZ_OBJECT_DTYPE', `descr is ${JSON.stringify(descr.slice(0, 40))}.`, {
      where,
    });
  }
  const dtype = byLetters.get(letters);
  const size = dtype === undefined ? 0 : table[dtype].size;
  // ml_dtypes writes bfloat16 as `|V2` or, in some versions, `<V2`; a big-endian one does not exist.
  const allowed = size === 1 ? '|<>=' : dtype === 'bfloat16' ? '|<' : '<>';
  if (dtype === undefined || mark === '' || !allowed.includes(mark)) {
    throw new ConsiliumError('NPZ_DTYPE', `descr is ${JSON.stringify(descr.slice(0, 40))}.`, { where });
  }
  return { dtype, byteOrder: mark === '>' && size > 1 ? 'big' : 'little' };
}
