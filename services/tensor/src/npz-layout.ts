import { ConsiliumError } from '@consilium/protocol/errors';
import { encodeNpyHeader } from './npy.js';
import { byteLengthOf, quote } from './shape.js';
import type { TensorInfo } from './types.js';
import { zip } from './zip-format.js';

export interface NpzWriteOptions {
  /** Writes every size as zip64, for tests: files of 4 GiB and more have them where needed. */
  readonly forceZip64?: boolean;
}

/** Where one tensor is in the file that `writeNpz` makes. Offsets and lengths in bytes. */
export interface NpzPlacement {
  readonly name: string;
  /** Local header of the entry. */
  readonly headerOffset: number;
  /** First element. */
  readonly dataOffset: number;
  /** All elements. */
  readonly byteLength: number;
}

export interface NpzLayout {
  /** The whole file. */
  readonly size: number;
  readonly entries: readonly NpzPlacement[];
}

/** All that is known of an entry before its data are. */
export interface EntryPlan extends NpzPlacement {
  readonly rawName: Uint8Array;
  readonly npyHeader: Uint8Array;
  /** npy header and elements. */
  readonly size: number;
  readonly zip64: boolean;
  readonly end: number;
}

/** Places tensors one after the other; the writer and `npzLayout` share it, so they cannot differ. */
export class NpzPlanner {
  readonly #force: boolean;
  readonly #names = new Set<string>();
  #offset = 0;
  #directorySize = 0;

  constructor(options: NpzWriteOptions) {
    this.#force = options.forceZip64 ?? false;
  }

  /** Throws NPZ_NAME, NPZ_NAME_TOO_LONG, NPZ_DUPLICATE_NAME, NPZ_SHAPE or NPZ_DTYPE. */
  place(info: TensorInfo): EntryPlan {
    const { name } = info;
    const where = `tensor ${quote(name)}`;
    if (name.includes('\0') || !name.isWellFormed()) {
      throw new ConsiliumError('NPZ_NAME', 'It holds a NUL character or half a surrogate pair.', { where });
    }
    const rawName = new TextEncoder().encode(`${name}.npy`);
    if (rawName.length > zip.max16) {
      throw new ConsiliumError('NPZ_NAME_TOO_LONG', `${rawName.length} bytes, at most ${zip.max16}.`, {
        where,
      });
    }
    if (this.#names.has(name)) throw new ConsiliumError('NPZ_DUPLICATE_NAME', 'It comes twice.', { where });
    // NumPy would find the one under the full file name of the other.
    const twin = name.endsWith('.npy') ? name.slice(0, -4) : `${name}.npy`;
    if (this.#names.has(twin)) {
      throw new ConsiliumError('NPZ_DUPLICATE_NAME', `NumPy cannot tell it from ${quote(twin)}.`, { where });
    }
    this.#names.add(name);
    const byteLength = byteLengthOf(info, where);
    const npyHeader = encodeNpyHeader(info);
    const size = npyHeader.length + byteLength;
    const zip64 = this.#force || size >= zip.max32;
    const headerOffset = this.#offset;
    const contentOffset = headerOffset + zip.localLength + rawName.length + (zip64 ? 20 : 0);
    const end = contentOffset + size + (zip64 ? 24 : 16);
    this.#offset = end;
    const plan: EntryPlan = {
      name,
      headerOffset,
      dataOffset: contentOffset + npyHeader.length,
      byteLength,
      rawName,
      npyHeader,
      size,
      zip64,
      end,
    };
    this.#directorySize += zip.centralLength + rawName.length + centralExtraLength(plan, this.#force);
    return plan;
  }

  /** Where the central directory starts, its length, and whether zip64 end records go before the end. */
  get directory(): { offset: number; size: number; entries: number; zip64: boolean } {
    const entries = this.#names.size;
    const size = this.#directorySize;
    const zip64 = this.#force || entries >= zip.max16 || size >= zip.max32 || this.#offset >= zip.max32;
    return { offset: this.#offset, size, entries, zip64 };
  }
}

/** Bytes of the zip64 field of a central header: sizes and offset, each only where it is needed. */
export function centralExtraLength(plan: EntryPlan, force: boolean): number {
  const sizes = plan.zip64 ? 16 : 0;
  const offset = force || plan.headerOffset >= zip.max32 ? 8 : 0;
  return sizes + offset === 0 ? 0 : 4 + sizes + offset;
}

/**
 * The exact size of the file that `writeNpz` makes of these tensors in this order, and where the elements of
 * each will be: known before any data are, for an upload's content-length or for parts written elsewhere.
 * Throws NPZ_NAME, NPZ_NAME_TOO_LONG, NPZ_DUPLICATE_NAME, NPZ_SHAPE or NPZ_DTYPE.
 */
export function npzLayout(infos: Iterable<TensorInfo>, options: NpzWriteOptions = {}): NpzLayout {
  const planner = new NpzPlanner(options);
  const entries: NpzPlacement[] = [];
  for (const info of infos) {
    const { name, headerOffset, dataOffset, byteLength } = planner.place(info);
    entries.push({ name, headerOffset, dataOffset, byteLength });
  }
  const { offset, size, zip64 } = planner.directory;
  const ends = zip.endLength + (zip64 ? zip.end64Length + zip.locatorLength : 0);
  return { size: offset + size + ends, entries };
}
