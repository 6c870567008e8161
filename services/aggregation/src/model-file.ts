import { ConsiliumError } from '@consilium/protocol/errors';
import type { ByteSource, NpzEntry, NpzReader, TensorInfo } from '@consilium/tensor';
import { openNpz, sameStructure } from '@consilium/tensor';
import { ByteCursor } from './byte-cursor.js';
import type { Group } from './plan.js';

/** An npz file whose groups of elements can be read; groups are asked for in the order of the plan, once each. */
export interface ModelFile {
  readonly label: string;
  /** True where `read` can fill a buffer that it is given. */
  readonly fills: boolean;
  /**
   * Little-endian bytes of each piece of the group, in C order. They lie in `into` (of the group's inputBytes)
   * where one is given and the file can fill it, else in buffers that the caller owns.
   */
  read(group: Group, into?: Uint8Array): Promise<Uint8Array[]>;
  /** After the last group: checks what can only be known then (the CRC of a file read in sequence). */
  finish(): Promise<void>;
  /** Lets go of what a file that is read in sequence holds. */
  close(): Promise<void>;
}

/**
 * A byte source that can read into a buffer, such as a file: saves an allocation and a copy for every read.
 * `readInto` fills `target` from `offset` on, or rejects.
 */
export interface FillingSource extends ByteSource {
  readInto(offset: number, target: Uint8Array): Promise<void>;
}

function canFill(source: ByteSource): source is FillingSource {
  return 'readInto' in source && typeof source.readInto === 'function';
}

/** What a file must look like, and which of its tensors the plan speaks of. */
export interface FileLayout {
  readonly expected: readonly TensorInfo[];
  /** Index in `expected` of the tensor that the plan calls 0. */
  readonly first: number;
  /** Bytes in the file of one element of the plan, for each tensor of the plan. */
  readonly unitBytes: readonly number[];
  /** True where names may come in another order than expected (`model average` of foreign files). */
  readonly anyOrder: boolean;
  /** Bytes of a chunk of a deflated, big-endian or Fortran-order file, which can only be read in sequence. */
  readonly chunkBytes: number;
}

/**
 * Opens files of one layout one after the other. Of each only the offsets are kept, shared between files that
 * have the same, so that the memory does not grow with their number.
 */
export class FileOpener {
  readonly #layout: FileLayout;
  readonly #offsets: Float64Array[] = [];

  constructor(layout: FileLayout) {
    this.#layout = layout;
  }

  /** Throws AGG_MISMATCH with the first difference, or an NPZ_ code. */
  async open(source: ByteSource, label: string): Promise<ModelFile> {
    const { expected, first, chunkBytes } = this.#layout;
    const reader = await openLabelled(source, label, chunkBytes);
    const entries = this.#inOrder(reader);
    const difference = sameStructure(expected, entries);
    if (difference !== undefined) throw new ConsiliumError('AGG_MISMATCH', difference, { where: label });
    const tensors = entries.slice(first);
    if (!tensors.every((entry) => reader.canSlice(entry.name))) {
      return new SequentialFile(reader, label, tensors, this.#layout.unitBytes);
    }
    const offsets = this.#shared(Float64Array.from(tensors, (entry) => entry.dataOffset ?? 0));
    return new SliceableFile(source, label, offsets, this.#layout.unitBytes);
  }

  #inOrder(reader: NpzReader): readonly NpzEntry[] {
    const { expected, anyOrder } = this.#layout;
    if (!anyOrder || reader.entries.length !== expected.length) return reader.entries;
    const found = expected.map(({ name }) => (reader.has(name) ? reader.entry(name) : undefined));
    return found.every((entry) => entry !== undefined) ? found : reader.entries;
  }

  #shared(offsets: Float64Array): Float64Array {
    const known = this.#offsets.find((other) => other.every((offset, i) => offset === offsets[i]));
    if (known !== undefined) return known;
    if (this.#offsets.length < 8) this.#offsets.push(offsets);
    return offsets;
  }
}

/** Opens an npz file; an error says which file it was. */
export async function openLabelled(
  source: ByteSource,
  label: string,
  chunkBytes: number,
): Promise<NpzReader> {
  return labelled(label, () => openNpz(source, { maxNameBytes: 2048, chunkBytes }));
}

/** Puts the file's label in front of where an error was met, where it does not say it yet. */
export async function labelled<T>(label: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ConsiliumError) || error.where?.startsWith(label)) throw error;
    const where = error.where === undefined ? label : `${label}, ${error.where}`;
    throw new ConsiliumError(error.code, error.detail, { where, fix: error.fix, cause: error });
  }
}

/** Stored, little-endian, C order: a group is one range read where its pieces lie close together. */
class SliceableFile implements ModelFile {
  readonly label: string;
  readonly #source: ByteSource;
  readonly fills: boolean;
  readonly #offsets: Float64Array;
  readonly #unitBytes: readonly number[];

  constructor(source: ByteSource, label: string, offsets: Float64Array, unitBytes: readonly number[]) {
    this.#source = source;
    this.fills = canFill(source);
    this.label = label;
    this.#offsets = offsets;
    this.#unitBytes = unitBytes;
  }

  async read(group: Group, into?: Uint8Array): Promise<Uint8Array[]> {
    const ranges = group.pieces.map(({ tensor, start, count }) => {
      const unit = this.#unitBytes[tensor]!;
      const from = this.#offsets[tensor]! + start * unit;
      return { from, to: from + count * unit };
    });
    const from = ranges.reduce((least, range) => Math.min(least, range.from), Number.POSITIVE_INFINITY);
    const to = ranges.reduce((most, range) => Math.max(most, range.to), 0);
    if (to - from <= group.inputBytes) {
      const bytes = await this.#exactly(from, to - from, into);
      return ranges.map((range) => bytes.subarray(range.from - from, range.to - from));
    }
    const parts: Uint8Array[] = [];
    for (const range of ranges) parts.push(await this.#exactly(range.from, range.to - range.from));
    return parts;
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #exactly(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const source = this.#source;
    if (into !== undefined && canFill(source)) {
      const target = into.subarray(0, length);
      await labelled(this.label, () => source.readInto(offset, target));
      return target;
    }
    const bytes = await labelled(this.label, () => source.read(offset, length));
    if (bytes.length === length) return bytes;
    throw new ConsiliumError('NPZ_SOURCE', `${bytes.length} bytes came for ${length} at offset ${offset}.`, {
      where: this.label,
    });
  }
}

/** Deflated, big-endian or Fortran order: the plan goes forward, and so does the stream of each tensor. */
class SequentialFile implements ModelFile {
  readonly label: string;
  readonly fills = false;
  readonly #reader: NpzReader;
  readonly #tensors: readonly NpzEntry[];
  readonly #unitBytes: readonly number[];
  #tensor = -1;
  #cursor: ByteCursor | undefined;

  constructor(reader: NpzReader, label: string, tensors: readonly NpzEntry[], unitBytes: readonly number[]) {
    this.#reader = reader;
    this.label = label;
    this.#tensors = tensors;
    this.#unitBytes = unitBytes;
  }

  async read(group: Group): Promise<Uint8Array[]> {
    const parts: Uint8Array[] = [];
    for (const { tensor, count } of group.pieces) {
      if (tensor !== this.#tensor) await this.#open(tensor);
      const length = count * this.#unitBytes[tensor]!;
      parts.push(await labelled(this.label, () => this.#cursor!.take(length)));
    }
    return parts;
  }

  async finish(): Promise<void> {
    await labelled(this.label, async () => this.#cursor?.finish());
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
  }

  /** Ends the stream before, which checks its CRC, and starts the tensor's. */
  async #open(tensor: number): Promise<void> {
    await this.finish();
    this.#tensor = tensor;
    this.#cursor = new ByteCursor(this.#reader.stream(this.#tensors[tensor]!.name));
  }
}
