import { ConsiliumError } from '@consilium/protocol/errors';
import { readExactly } from './bytes.js';
import type { NpzLimits } from './npz-limits.js';
import { quote } from './shape.js';
import type { ByteSource } from './types.js';
import type { ZipEnd } from './zip-end.js';
import { extraFields, zip64Sizes } from './zip-extra.js';
import { viewOf, zip } from './zip-format.js';

/** One entry as the central directory states it. */
export interface ZipEntry {
  /** File name in the archive. */
  readonly name: string;
  /** The same as bytes, to compare with the local header. */
  readonly rawName: Uint8Array;
  readonly flags: number;
  readonly method: 'stored' | 'deflated';
  readonly crc32: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly headerOffset: number;
}

/**
 * Reads the central directory: names, sizes, offsets; nothing else of the file is read. On return all names
 * are different and no entry reaches into the next (by these sizes) or into the directory.
 */
export async function readDirectory(source: ByteSource, end: ZipEnd, limits: NpzLimits): Promise<ZipEntry[]> {
  const where = 'central directory';
  const { entries: count, directorySize } = end;
  if (count > limits.maxEntries) {
    throw new ConsiliumError('NPZ_TOO_MANY_ENTRIES', `${count} entries, the limit is ${limits.maxEntries}.`, {
      where,
    });
  }
  if (directorySize > limits.maxDirectoryBytes) {
    const text = `${directorySize} bytes, the limit is ${limits.maxDirectoryBytes}.`;
    throw new ConsiliumError('NPZ_DIRECTORY_TOO_LARGE', text, { where });
  }
  const bytes = await readExactly(source, end.directoryOffset, directorySize);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, length } = parseEntry(bytes.subarray(at), i, end, limits);
    entries.push(entry);
    at += length;
  }
  if (at !== directorySize) {
    const text = `${count} entries take ${at} of its ${directorySize} bytes.`;
    throw new ConsiliumError('NPZ_DIRECTORY', text, { where });
  }
  checkTogether(entries, end, limits);
  return entries;
}

function parseEntry(
  bytes: Uint8Array,
  index: number,
  end: ZipEnd,
  limits: NpzLimits,
): { entry: ZipEntry; length: number } {
  let where = `central directory, entry ${index}`;
  const fail = (text: string) => new ConsiliumError('NPZ_DIRECTORY', text, { where });
  if (bytes.length < zip.centralLength) throw fail(`Only ${bytes.length} bytes are left of it.`);
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== zip.centralSignature) throw fail('It has no signature.');
  const nameLength = view.getUint16(28, true);
  const extraLength = view.getUint16(30, true);
  const length = zip.centralLength + nameLength + extraLength + view.getUint16(32, true);
  if (bytes.length < length) throw fail(`It needs ${length} bytes, ${bytes.length} are left.`);
  if (nameLength > limits.maxNameBytes) {
    const text = `${nameLength} bytes, the limit is ${limits.maxNameBytes}.`;
    throw new ConsiliumError('NPZ_NAME_TOO_LONG', text, { where });
  }
  const flags = view.getUint16(8, true);
  const rawName = bytes.slice(zip.centralLength, zip.centralLength + nameLength);
  const name = decodeName(rawName, (flags & zip.flagUtf8) !== 0, where);
  where = `entry ${quote(name)}`;
  checkFlags(flags, where);
  const method = view.getUint16(10, true);
  if (method !== zip.stored && method !== zip.deflated) {
    throw new ConsiliumError('NPZ_METHOD', `Its method is ${method}.`, { where });
  }
  const extra = extraFields(bytes.subarray(zip.centralLength + nameLength, length), extraLength, where);
  const { size, compressedSize, headerOffset, disk } = zip64Sizes(extra, where, {
    size: view.getUint32(24, true),
    compressedSize: view.getUint32(20, true),
    headerOffset: view.getUint32(42, true),
    disk: view.getUint16(34, true),
  });
  if (disk !== 0) throw new ConsiliumError('NPZ_MULTI_DISK', `It starts on disk ${disk}.`, { where });
  if (method === zip.stored && size !== compressedSize) {
    throw new ConsiliumError('NPZ_STORED_SIZE', `${compressedSize} bytes stored, ${size} unpacked.`, {
      where,
    });
  }
  // A few bytes of slack, for an empty stream still takes two.
  if (size > limits.maxDeflateRatio * compressedSize + 1024) {
    const text = `${compressedSize} bytes claim to become ${size}, the limit is ${limits.maxDeflateRatio} to 1.`;
    throw new ConsiliumError('NPZ_DEFLATE_RATIO', text, { where });
  }
  if (headerOffset + zip.localLength + nameLength + compressedSize > end.directoryOffset) {
    const text = `${compressedSize} bytes behind the header at ${headerOffset} reach beyond the directory at ${end.directoryOffset}.`;
    throw new ConsiliumError('NPZ_OUTSIDE_FILE', text, { where });
  }
  const entry: ZipEntry = {
    name,
    rawName,
    flags,
    method: method === zip.stored ? 'stored' : 'deflated',
    crc32: view.getUint32(16, true),
    compressedSize,
    size,
    headerOffset,
  };
  return { entry, length };
}

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Python ends a name at its first NUL, and a name without the UTF-8 flag has no certain encoding. */
function decodeName(raw: Uint8Array, utf8: boolean, where: string): string {
  const fail = (text: string) => new ConsiliumError('NPZ_NAME', text, { where });
  if (raw.includes(0)) throw fail('It holds a NUL character.');
  if (!utf8 && raw.some((byte) => byte >= 0x80)) throw fail('It is not ASCII and not flagged as UTF-8.');
  let name: string;
  try {
    name = utf8Decoder.decode(raw);
  } catch {
    throw fail('It is not valid UTF-8.');
  }
  if (!name.endsWith('.npy')) throw fail(`${quote(name)} does not end in .npy.`);
  return name;
}

function checkFlags(flags: number, where: string): void {
  const text = `Its flags are 0x${flags.toString(16).padStart(4, '0')}.`;
  if (flags & (zip.flagEncrypted | zip.flagStrongEncryption | zip.flagMasked)) {
    throw new ConsiliumError('NPZ_ENCRYPTED', text, { where });
  }
  if (flags & ~(zip.flagsDeflateHints | zip.flagDescriptor | zip.flagUtf8)) {
    throw new ConsiliumError('NPZ_FLAGS', text, { where });
  }
}

function checkTogether(entries: readonly ZipEntry[], end: ZipEnd, limits: NpzLimits): void {
  const names = new Set<string>();
  let total = 0;
  for (const entry of entries) {
    if (names.has(entry.name)) {
      throw new ConsiliumError('NPZ_DUPLICATE_NAME', `${quote(entry.name)} comes twice.`, {
        where: 'central directory',
      });
    }
    names.add(entry.name);
    total += entry.size;
    if (total > limits.maxTotalBytes) {
      throw new ConsiliumError('NPZ_TOTAL_TOO_LARGE', `The limit is ${limits.maxTotalBytes} bytes.`, {
        where: `entry ${quote(entry.name)}`,
      });
    }
  }
  for (const name of names) {
    // NumPy drops one `.npy` to make the key, and finds `a.npy` by its full name first.
    if (!names.has(`${name}.npy`)) continue;
    throw new ConsiliumError(
      'NPZ_DUPLICATE_NAME',
      `NumPy cannot tell ${quote(name)} from ${quote(`${name}.npy`)}.`,
      {
        where: 'central directory',
      },
    );
  }
  const inOrder = entries.toSorted((a, b) => a.headerOffset - b.headerOffset);
  for (let i = 0; i + 1 < inOrder.length; i++) {
    const entry = inOrder[i]!;
    const next = inOrder[i + 1]!;
    const reach = entry.headerOffset + zip.localLength + entry.rawName.length + entry.compressedSize;
    if (reach > next.headerOffset) throw overlap(entry.name, reach, next.name, next.headerOffset);
  }
  const first = inOrder[0]?.headerOffset ?? end.directoryOffset;
  if (first !== 0) {
    throw new ConsiliumError('NPZ_DIRECTORY', `${first} bytes stand before the first entry.`, {
      where: 'start of file',
    });
  }
}

/** The error for an entry that reaches into what follows it. */
export function overlap(name: string, reach: number, next: string, offset: number): ConsiliumError {
  return new ConsiliumError('NPZ_OVERLAP', `It reaches to ${reach}, ${quote(next)} starts at ${offset}.`, {
    where: `entry ${quote(name)}`,
  });
}
