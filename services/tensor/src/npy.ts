import { ConsiliumError } from '@consilium/protocol/errors';
import { type ByteOrder, descrOf, parseDescr } from './dtype.js';
import { type LiteralValue, parseLiteral } from './npy-literal.js';
import { toNativeOrder } from './reorder.js';
import { byteLengthOf, elementCount } from './shape.js';
import { bytesOf, type Tensor, typedData } from './tensor.js';
import type { DType, TensorInfo } from './types.js';

/** What the header of an npy array says. */
export interface NpyHeader {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly byteOrder: ByteOrder;
  /** True where the first index varies fastest in the file. */
  readonly fortranOrder: boolean;
  /** Bytes before the first element. */
  readonly headerLength: number;
}

/** Longest npy header that is read by default; NumPy itself stops at 10,000. */
export const defaultMaxHeaderBytes = 16_384;

/** Bytes of an npy array that suffice for `npyHeaderLength`. */
export const npyPreludeLength = 12;

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/**
 * Bytes before the first element, from the first 10 (format 1.0) or 12 bytes of the array.
 * Throws NPZ_NPY_TRUNCATED, NPZ_NPY_MAGIC, NPZ_NPY_VERSION or NPZ_NPY_HEADER_TOO_LARGE.
 */
export function npyHeaderLength(
  bytes: Uint8Array,
  where: string,
  maxHeaderBytes = defaultMaxHeaderBytes,
): number {
  for (let i = 0; i < Math.min(magic.length, bytes.length); i++) {
    if (bytes[i] !== magic[i])
      throw new ConsiliumError('NPZ_NPY_MAGIC', `Byte ${i} is ${bytes[i]}.`, { where });
  }
  if (bytes.length < 10) throw truncated(bytes.length, 10, where);
  const major = bytes[6]!;
  const minor = bytes[7]!;
  if (major < 1 || major > 3 || minor !== 0) {
    throw new ConsiliumError('NPZ_NPY_VERSION', `It says ${major}.${minor}.`, { where });
  }
  const prelude = major === 1 ? 10 : 12;
  if (bytes.length < prelude) throw truncated(bytes.length, prelude, where);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = prelude + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (length > maxHeaderBytes) {
    throw new ConsiliumError(
      'NPZ_NPY_HEADER_TOO_LARGE',
      `It has ${length} bytes, the limit is ${maxHeaderBytes}.`,
      {
        where,
      },
    );
  }
  return length;
}

/**
 * Parses the header at the start of `bytes`, which may go on with data.
 * Throws what `npyHeaderLength` throws, and NPZ_NPY_HEADER, NPZ_DTYPE, NPZ_OBJECT_DTYPE or NPZ_SHAPE.
 */
export function parseNpyHeader(
  bytes: Uint8Array,
  where = 'npy header',
  maxHeaderBytes = defaultMaxHeaderBytes,
): NpyHeader {
  const headerLength = npyHeaderLength(bytes, where, maxHeaderBytes);
  if (bytes.length < headerLength) throw truncated(bytes.length, headerLength, where);
  const major = bytes[6]!;
  const raw = bytes.subarray(major === 1 ? 10 : 12, headerLength);
  if (raw.at(-1) !== 0x0a)
    throw new ConsiliumError('NPZ_NPY_HEADER', 'It does not end in a new line.', { where });
  const entries = parseLiteral(decode(raw, major === 3, where), where);
  const descr = field(entries, 'descr', where);
  if (descr.kind === 'structured') {
    throw new ConsiliumError('NPZ_DTYPE', 'descr is a list of fields (a structured array).', { where });
  }
  if (entries.size !== 3) {
    throw new ConsiliumError('NPZ_NPY_HEADER', `It has the keys ${JSON.stringify([...entries.keys()])}.`, {
      where,
    });
  }
  const order = field(entries, 'fortran_order', where);
  const shape = field(entries, 'shape', where);
  if (descr.kind !== 'string' || order.kind !== 'boolean' || shape.kind !== 'tuple') {
    const found = `descr is a ${descr.kind}, fortran_order a ${order.kind}, shape a ${shape.kind}.`;
    throw new ConsiliumError('NPZ_NPY_HEADER', found, { where });
  }
  elementCount(shape.value, where);
  return { ...parseDescr(descr.value, where), shape: shape.value, fortranOrder: order.value, headerLength };
}

function field(entries: ReadonlyMap<string, LiteralValue>, key: string, where: string): LiteralValue {
  const value = entries.get(key);
  if (value !== undefined) return value;
  throw new ConsiliumError('NPZ_NPY_HEADER', `The key ${JSON.stringify(key)} is missing.`, { where });
}

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(raw: Uint8Array, utf8: boolean, where: string): string {
  if (!utf8) return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('latin1');
  try {
    return utf8Decoder.decode(raw);
  } catch (cause) {
    throw new ConsiliumError('NPZ_NPY_HEADER', 'It is not valid UTF-8.', { where, cause });
  }
}

function truncated(found: number, needed: number, where: string): ConsiliumError {
  return new ConsiliumError('NPZ_NPY_TRUNCATED', `It has ${found} of ${needed} bytes.`, { where });
}

/**
 * The header that `numpy.save` writes for a little-endian C-order array, byte for byte (format 1.0, padded so
 * that the elements start at a multiple of 64). Throws NPZ_SHAPE or NPZ_DTYPE.
 */
export function encodeNpyHeader(info: Pick<TensorInfo, 'dtype' | 'shape'>): Uint8Array {
  const { dtype, shape } = info;
  elementCount(shape);
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dict = `{'descr': '${descrOf(dtype)}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // NumPy leaves room for 21 digits of the first extent, so that a file can grow in place.
  const room = shape.length === 0 ? 0 : 21 - String(shape[0]).length;
  const used = 10 + dict.length + room + 1;
  const length = Math.ceil(used / 64) * 64;
  const header = new Uint8Array(length).fill(0x20);
  header.set([...magic, 1, 0, (length - 10) & 0xff, (length - 10) >>> 8]);
  for (let i = 0; i < dict.length; i++) header[10 + i] = dict.charCodeAt(i);
  header[length - 1] = 0x0a;
  return header;
}

/**
 * Reads one npy array (the contents of a `.npy` file) into memory; the data are a copy.
 * Throws what `parseNpyHeader` throws, and NPZ_SIZE_MISMATCH.
 */
export function readNpy(bytes: Uint8Array, name = ''): Tensor {
  const where = name === '' ? 'npy array' : `npy array ${JSON.stringify(name)}`;
  const header = parseNpyHeader(bytes, where);
  const expected = byteLengthOf(header, where);
  const found = bytes.length - header.headerLength;
  if (found !== expected) {
    const text = `${header.dtype} (${header.shape.join(', ')}) needs ${expected} bytes, there are ${found}.`;
    throw new ConsiliumError('NPZ_SIZE_MISMATCH', text, { where });
  }
  const data = toNativeOrder(new Uint8Array(bytes.subarray(header.headerLength)), header);
  const { dtype, shape } = header;
  return { name, dtype, shape, data: typedData(dtype, data) } as Tensor;
}

/** One tensor as the contents of a `.npy` file, the same bytes as `numpy.save`. */
export function writeNpy(tensor: Tensor): Uint8Array {
  const header = encodeNpyHeader(tensor);
  const data = bytesOf(tensor.data);
  if (data.length !== byteLengthOf(tensor)) {
    throw new ConsiliumError('NPZ_DATA_LENGTH', `${data.length} bytes for (${tensor.shape.join(', ')}).`);
  }
  const out = new Uint8Array(header.length + data.length);
  out.set(header);
  out.set(data, header.length);
  return out;
}
