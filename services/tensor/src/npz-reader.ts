import { ConsiliumError } from '@consilium/protocol/errors';
import { elementChunks, readExactly } from './bytes.js';
import { elementSize } from './dtype.js';
import { defaultNpzLimits, type NpzLimits } from './npz-limits.js';
import { type EntryRecord, type NpzEntry, readEntries } from './npz-open.js';
import { fortranToC, ordersDiffer, swapBytes } from './reorder.js';
import { elementCount, quote } from './shape.js';
import { type Tensor, type TensorData, typedData } from './tensor.js';
import type { ByteSource } from './types.js';
import { entryContent } from './zip-content.js';

/**
 * Opens an npz file: checks the whole zip structure and every npy header, reads no data. The central
 * directory decides, and anything that disagrees with it is an error with an NPZ_ code. Memory is bounded by
 * the limits, whatever the file says.
 */
export async function openNpz(source: ByteSource, limits: Partial<NpzLimits> = {}): Promise<NpzReader> {
  const all = { ...defaultNpzLimits, ...limits };
  if (!(all.chunkBytes >= 64))
    throw new RangeError(`chunkBytes must be at least 64, it is ${all.chunkBytes}.`);
  return new NpzReader(source, all, await readEntries(source, all));
}

/** The tensors of an npz file that has been opened by `openNpz`. Reads may run side by side. */
export class NpzReader {
  /** In the order of the central directory, which is the order of `numpy.load(f).files`. */
  readonly entries: readonly NpzEntry[];
  readonly limits: NpzLimits;
  readonly #source: ByteSource;
  readonly #records: ReadonlyMap<string, EntryRecord>;

  constructor(source: ByteSource, limits: NpzLimits, records: readonly EntryRecord[]) {
    this.#source = source;
    this.limits = limits;
    this.entries = Object.freeze(records.map((record) => record.info));
    this.#records = new Map(records.map((record) => [record.info.name, record]));
  }

  has(name: string): boolean {
    return this.#records.has(name);
  }

  /** Throws NPZ_NO_ENTRY. */
  entry(name: string): NpzEntry {
    return this.#record(name).info;
  }

  /**
   * A whole tensor in native little-endian C order, its CRC checked.
   * Throws NPZ_NO_ENTRY, NPZ_TENSOR_TOO_LARGE, NPZ_CRC, NPZ_DEFLATE or NPZ_DEFLATE_SIZE.
   */
  async read(name: string): Promise<Tensor> {
    const record = this.#record(name);
    const { dtype, shape } = record.info;
    const data = typedData(dtype, await this.#readWhole(record));
    return { name, dtype, shape, data } as Tensor;
  }

  /**
   * The elements of a tensor as raw little-endian bytes in C order. Every chunk holds whole elements and is
   * aligned for `typedData`; it belongs to the consumer. The CRC is checked at the end: what was yielded may
   * be trusted once the iteration has ended without an error. Memory: two chunks; a Fortran-order tensor
   * of two or more dimensions is held as a whole, twice, within `maxTensorBytes`.
   * Throws what `read` throws.
   */
  async *stream(name: string): AsyncGenerator<Uint8Array> {
    const record = this.#record(name);
    if (!turnsRound(record.info)) {
      yield* this.#inFileOrder(record);
      return;
    }
    const bytes = await this.#readWhole(record);
    const size = elementSize(record.info.dtype);
    const step = Math.max(size, this.limits.chunkBytes - (this.limits.chunkBytes % size));
    for (let at = 0; at < bytes.length; at += step) yield bytes.slice(at, at + step);
  }

  /** True where `readSlice` works: stored, little-endian, C order. */
  canSlice(name: string): boolean {
    const { info } = this.#record(name);
    return info.dataOffset !== undefined && info.byteOrder === 'little' && !turnsRound(info);
  }

  /**
   * `count` elements from the flat C-order index `startElement`, by one range read. No CRC can be checked:
   * whoever needs that compares the digest of the file or streams the tensor once.
   * Throws NPZ_NO_ENTRY, NPZ_SLICE_UNSUPPORTED or NPZ_SLICE_RANGE.
   */
  async readSlice(name: string, startElement: number, count: number): Promise<TensorData> {
    const { info } = this.#record(name);
    const where = `tensor ${quote(name)}`;
    if (info.dataOffset === undefined || !this.canSlice(name)) {
      const order = info.fortranOrder ? 'Fortran' : 'C';
      const text = `It is ${info.method}, ${info.byteOrder}-endian, in ${order} order.`;
      throw new ConsiliumError('NPZ_SLICE_UNSUPPORTED', text, { where });
    }
    const total = elementCount(info.shape);
    const whole = Number.isSafeInteger(startElement) && Number.isSafeInteger(count);
    if (!whole || startElement < 0 || count < 0 || startElement + count > total) {
      const text = `${count} elements from ${startElement} of ${total} were asked for.`;
      throw new ConsiliumError('NPZ_SLICE_RANGE', text, { where });
    }
    const size = elementSize(info.dtype);
    if (count === 0) return typedData(info.dtype, new Uint8Array(0));
    const bytes = await readExactly(this.#source, info.dataOffset + startElement * size, count * size);
    return typedData(info.dtype, bytes);
  }

  #record(name: string): EntryRecord {
    const record = this.#records.get(name);
    if (record !== undefined) return record;
    const names = this.entries.slice(0, 5).map((entry) => quote(entry.name));
    const more = this.entries.length > 5 ? ', …' : '';
    throw new ConsiliumError('NPZ_NO_ENTRY', `It has ${this.entries.length}: ${names.join(', ')}${more}`, {
      where: `tensor ${quote(name)}`,
    });
  }

  /** Little-endian elements in the order of the file. */
  async *#inFileOrder({ info, zip, contentOffset, headerLength }: EntryRecord): AsyncGenerator<Uint8Array> {
    const size = elementSize(info.dtype);
    const content = entryContent(this.#source, zip, contentOffset, this.limits.chunkBytes);
    for await (const chunk of elementChunks(content, headerLength, size)) {
      if (info.byteOrder === 'big') swapBytes(chunk, size);
      yield chunk;
    }
  }

  async #readWhole(record: EntryRecord): Promise<Uint8Array> {
    const { info } = record;
    if (info.byteLength > this.limits.maxTensorBytes) {
      const text = `It has ${info.byteLength} bytes, the limit is ${this.limits.maxTensorBytes}.`;
      throw new ConsiliumError('NPZ_TENSOR_TOO_LARGE', text, { where: `tensor ${quote(info.name)}` });
    }
    const bytes = new Uint8Array(info.byteLength);
    let at = 0;
    for await (const chunk of this.#inFileOrder(record)) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return turnsRound(info) ? fortranToC(bytes, info.shape, elementSize(info.dtype)) : bytes;
  }
}

function turnsRound(info: NpzEntry): boolean {
  return info.fortranOrder && ordersDiffer(info.shape);
}
