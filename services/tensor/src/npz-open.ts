import { ConsiliumError } from '@consilium/protocol/errors';
import { readExactly } from './bytes.js';
import type { ByteOrder } from './dtype.js';
import { type NpyHeader, npyHeaderLength, npyPreludeLength, parseNpyHeader } from './npy.js';
import type { NpzLimits } from './npz-limits.js';
import { byteLengthOf, quote } from './shape.js';
import type { ByteSource, TensorInfo } from './types.js';
import { entryContent } from './zip-content.js';
import { readDirectory, type ZipEntry } from './zip-directory.js';
import { readZipEnd } from './zip-end.js';
import { checkLocalHeader, type Neighbour } from './zip-local.js';

/** One tensor of an npz file, as its headers describe it. */
export interface NpzEntry extends TensorInfo {
  readonly byteOrder: ByteOrder;
  /** True where the first index varies fastest in the file. */
  readonly fortranOrder: boolean;
  readonly method: 'stored' | 'deflated';
  /** Offset in the file of the first element; undefined for a deflated entry. */
  readonly dataOffset: number | undefined;
  /** Bytes of the elements. */
  readonly byteLength: number;
}

/** An entry with what it takes to read its content. */
export interface EntryRecord {
  readonly info: NpzEntry;
  readonly zip: ZipEntry;
  readonly contentOffset: number;
  /** Bytes of the content before the first element. */
  readonly headerLength: number;
}

/** Headers that lie this close together are fetched in one read. */
const windowBytes = 64 * 1024;
/** Inflated bytes at a time while looking for a header. */
const probeBytes = 4096;
const readsInFlight = 8;

/** Reads and checks everything but the data. The result is in the order of the central directory. */
export async function readEntries(source: ByteSource, limits: NpzLimits): Promise<EntryRecord[]> {
  const end = await readZipEnd(source);
  const entries = await readDirectory(source, end, limits);
  const inOrder = entries.map((entry, index) => ({ entry, index }));
  inOrder.sort((a, b) => a.entry.headerOffset - b.entry.headerOffset);
  const windows: (typeof inOrder)[] = [];
  for (const item of inOrder) {
    const start = windows.at(-1)?.[0]?.entry.headerOffset;
    if (start !== undefined && item.entry.headerOffset - start < windowBytes / 2) windows.at(-1)!.push(item);
    else windows.push([item]);
  }
  const records = new Array<EntryRecord>(entries.length);
  let position = 0;
  const following = new Map<ZipEntry, Neighbour>();
  for (const [i, { entry }] of inOrder.entries()) {
    const next = inOrder[i + 1]?.entry;
    following.set(entry, {
      name: next?.name ?? 'the central directory',
      offset: next?.headerOffset ?? end.directoryOffset,
    });
  }
  const work = async (): Promise<void> => {
    for (let window = windows[position++]; window !== undefined; window = windows[position++]) {
      const start = window[0]!.entry.headerOffset;
      const near = await readWindow(source, start, Math.min(windowBytes, end.directoryOffset - start));
      for (const { entry, index } of window) {
        records[index] = await readEntry(near, entry, following.get(entry)!, limits);
      }
    }
  };
  const worker = (): Promise<void> =>
    work().catch((error: unknown) => {
      position = windows.length;
      throw error;
    });
  const settled = await Promise.allSettled(Array.from({ length: readsInFlight }, worker));
  // All workers are waited for, so that no read is under way once the error is out.
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
  return records;
}

/** A source that answers from one read where it can. */
async function readWindow(source: ByteSource, start: number, length: number): Promise<ByteSource> {
  const bytes = await readExactly(source, start, length);
  return {
    size: source.size,
    read: (offset, count) =>
      offset >= start && offset + count <= start + length
        ? Promise.resolve(bytes.subarray(offset - start, offset - start + count))
        : readExactly(source, offset, count),
  };
}

async function readEntry(
  source: ByteSource,
  entry: ZipEntry,
  next: Neighbour,
  limits: NpzLimits,
): Promise<EntryRecord> {
  const contentOffset = await checkLocalHeader(source, entry, next);
  const where = `entry ${quote(entry.name)}`;
  const header = await readHeader(source, entry, contentOffset, limits, where);
  const byteLength = byteLengthOf(header, where);
  if (header.headerLength + byteLength !== entry.size) {
    const text = `${header.dtype} (${header.shape.join(', ')}) needs ${byteLength} bytes, there are ${entry.size - header.headerLength}.`;
    throw new ConsiliumError('NPZ_SIZE_MISMATCH', text, { where });
  }
  const { dtype, shape, byteOrder, fortranOrder, headerLength } = header;
  const info: NpzEntry = Object.freeze({
    name: entry.name.slice(0, -'.npy'.length),
    dtype,
    shape: Object.freeze([...shape]),
    byteOrder,
    fortranOrder,
    method: entry.method,
    dataOffset: entry.method === 'stored' ? contentOffset + headerLength : undefined,
    byteLength,
  });
  return { info, zip: entry, contentOffset, headerLength };
}

async function readHeader(
  source: ByteSource,
  entry: ZipEntry,
  contentOffset: number,
  limits: NpzLimits,
  where: string,
): Promise<NpyHeader> {
  if (entry.method === 'stored') {
    const prelude = await readExactly(source, contentOffset, Math.min(npyPreludeLength, entry.size));
    const length = npyHeaderLength(prelude, where, limits.maxHeaderBytes);
    const bytes = await readExactly(source, contentOffset, Math.min(length, entry.size));
    return parseNpyHeader(bytes, where, limits.maxHeaderBytes);
  }
  let bytes = new Uint8Array(0);
  for await (const chunk of entryContent(source, entry, contentOffset, probeBytes)) {
    const joined = new Uint8Array(bytes.length + chunk.length);
    joined.set(bytes);
    joined.set(chunk, bytes.length);
    bytes = joined;
    if (bytes.length < npyPreludeLength) continue;
    if (bytes.length >= npyHeaderLength(bytes, where, limits.maxHeaderBytes)) break;
  }
  return parseNpyHeader(bytes, where, limits.maxHeaderBytes);
}
