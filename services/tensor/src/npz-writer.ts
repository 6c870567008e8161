import { crc32 } from 'node:zlib';
import { ConsiliumError } from '@consilium/protocol/errors';
import { type EntryPlan, NpzPlanner, type NpzWriteOptions } from './npz-layout.js';
import type { NpzReader } from './npz-reader.js';
import { quote } from './shape.js';
import { bytesOf, isDataOf } from './tensor.js';
import type { TensorInfo } from './types.js';
import { encodeCentralHeader, encodeDescriptor, encodeEnd, encodeEntryHead } from './zip-write.js';

/**
 * A tensor to be written. `data` is the typed array of the dtype, raw little-endian C-order bytes, or an
 * iterable of such bytes in pieces of any length, which is run through once. Pieces are passed on without a
 * copy: they must not be written to afterwards.
 */
export interface TensorInput extends TensorInfo {
  readonly data: ArrayBufferView | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * Writes an npz file as a stream. The bytes depend on nothing but names, order, dtypes, shapes and elements,
 * not on how the data were cut up: entries are stored, stamped 1980-01-01, in the order given, and state
 * their CRC and sizes in a data descriptor (a tensor is written as it is made, before its CRC is known) and
 * in the central directory. `npzLayout` foretells size and offsets. NumPy opens the result, `readSlice` works.
 * Throws NPZ_NAME, NPZ_NAME_TOO_LONG, NPZ_DUPLICATE_NAME, NPZ_SHAPE, NPZ_DTYPE, NPZ_DATA_TYPE,
 * NPZ_DATA_LENGTH, or what the iterables throw; the file is then not to be used.
 */
export async function* writeNpz(
  tensors: Iterable<TensorInput> | AsyncIterable<TensorInput>,
  options: NpzWriteOptions = {},
): AsyncGenerator<Uint8Array> {
  const force = options.forceZip64 ?? false;
  const planner = new NpzPlanner(options);
  const central: Uint8Array[] = [];
  for await (const tensor of tensors) {
    const plan = planner.place(tensor);
    yield encodeEntryHead(plan);
    const crc = yield* writeData(tensor, plan);
    yield encodeDescriptor(plan, crc);
    central.push(encodeCentralHeader(plan, crc, force));
  }
  yield Buffer.concat([...central, encodeEnd(planner.directory)]);
}

/** Yields the elements; returns the CRC of npy header and elements. */
async function* writeData(tensor: TensorInput, plan: EntryPlan): AsyncGenerator<Uint8Array, number> {
  const where = `tensor ${quote(plan.name)}`;
  const wrong = (found: string) => {
    const text = `${tensor.dtype} (${tensor.shape.join(', ')}) needs ${plan.byteLength} bytes, ${found}.`;
    return new ConsiliumError('NPZ_DATA_LENGTH', text, { where });
  };
  let crc = crc32(plan.npyHeader);
  let length = 0;
  for await (const piece of piecesOf(tensor, where)) {
    length += piece.length;
    if (length > plan.byteLength) throw wrong('more were given');
    if (piece.length === 0) continue;
    crc = crc32(piece, crc);
    yield piece;
  }
  if (length !== plan.byteLength) throw wrong(`${length} were given`);
  return crc;
}

function piecesOf(tensor: TensorInput, where: string): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  const { data, dtype } = tensor;
  if (!ArrayBuffer.isView(data)) return data;
  if (!isDataOf(dtype, data) && !(data instanceof Uint8Array)) {
    const text = `${data.constructor.name} was given for ${dtype}.`;
    throw new ConsiliumError('NPZ_DATA_TYPE', text, { where });
  }
  return [bytesOf(data)];
}

/**
 * Re-encodes any readable npz (deflated, big-endian, Fortran order, with gaps or comments) in the one form
 * that `writeNpz` makes: same names, order and values, and so the same bytes for the same content.
 * Throws what `NpzReader.stream` throws; the bytes yielded so far are then not to be used.
 */
export function canonicalNpz(reader: NpzReader, options: NpzWriteOptions = {}): AsyncGenerator<Uint8Array> {
  const tensors = reader.entries.map(({ name, dtype, shape }) => ({
    name,
    dtype,
    shape,
    data: reader.stream(name),
  }));
  return writeNpz(tensors, options);
}

/** Collects a stream of bytes into one array. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
}
