import { ConsiliumError, type ErrorCode } from '@consilium/protocol/errors';
import { readExactly } from './bytes.js';
import { quote } from './shape.js';
import type { ByteSource } from './types.js';
import { overlap, type ZipEntry } from './zip-directory.js';
import { extraFields, zip64Sizes } from './zip-extra.js';
import { readUint64, viewOf, zip } from './zip-format.js';

/** What comes after an entry in the file: another entry or the central directory. */
export interface Neighbour {
  readonly name: string;
  readonly offset: number;
}

/**
 * Holds the local header (and the data descriptor, where there is one) of an entry against the central
 * directory. Returns the offset of its content. Throws NPZ_LOCAL_MISSING, NPZ_LOCAL_NAME, NPZ_LOCAL_METHOD,
 * NPZ_LOCAL_FLAGS, NPZ_LOCAL_SIZE, NPZ_LOCAL_CRC, NPZ_EXTRA_FIELD, NPZ_ZIP64, NPZ_DESCRIPTOR or NPZ_OVERLAP.
 */
export async function checkLocalHeader(
  source: ByteSource,
  entry: ZipEntry,
  next: Neighbour,
): Promise<number> {
  const where = `local header of ${quote(entry.name)}`;
  const fail = (code: ErrorCode, text: string) => new ConsiliumError(code, text, { where });
  const { headerOffset, rawName } = entry;
  const head = await readExactly(source, headerOffset, zip.localLength + rawName.length);
  const view = viewOf(head);
  if (view.getUint32(0, true) !== zip.localSignature) {
    throw fail('NPZ_LOCAL_MISSING', `The four bytes at ${headerOffset} are no signature.`);
  }
  const nameLength = view.getUint16(26, true);
  const extraLength = view.getUint16(28, true);
  if (nameLength !== rawName.length || !rawName.every((byte, i) => byte === head[zip.localLength + i])) {
    throw fail('NPZ_LOCAL_NAME', `The name at ${headerOffset} is another one.`);
  }
  const method = view.getUint16(8, true);
  if (method !== (entry.method === 'stored' ? zip.stored : zip.deflated)) {
    throw fail('NPZ_LOCAL_METHOD', `It says ${method}, the directory says ${entry.method}.`);
  }
  const flags = view.getUint16(6, true);
  if (flags !== entry.flags) {
    throw fail(
      'NPZ_LOCAL_FLAGS',
      `It says 0x${flags.toString(16)}, the directory 0x${entry.flags.toString(16)}.`,
    );
  }
  const contentOffset = headerOffset + zip.localLength + nameLength + extraLength;
  const contentEnd = contentOffset + entry.compressedSize;
  if (contentEnd > next.offset) throw overlap(entry.name, contentEnd, next.name, next.offset);
  const extraBytes = await readExactly(source, headerOffset + head.length, extraLength);
  const extra = extraFields(extraBytes, extraLength, where);
  const { size, compressedSize } = zip64Sizes(extra, where, {
    size: view.getUint32(22, true),
    compressedSize: view.getUint32(18, true),
    headerOffset: 0,
    disk: 0,
  });
  const crc32 = view.getUint32(14, true);
  // With a descriptor, the writer did not know them yet and has left zeros.
  const later = (flags & zip.flagDescriptor) !== 0;
  if (!(size === entry.size || (later && size === 0))) {
    throw fail('NPZ_LOCAL_SIZE', `It says ${size} bytes, the directory ${entry.size}.`);
  }
  if (!(compressedSize === entry.compressedSize || (later && compressedSize === 0))) {
    throw fail(
      'NPZ_LOCAL_SIZE',
      `It says ${compressedSize} bytes in the file, the directory ${entry.compressedSize}.`,
    );
  }
  if (!(crc32 === entry.crc32 || (later && crc32 === 0))) {
    throw fail('NPZ_LOCAL_CRC', `It says ${hex(crc32)}, the directory ${hex(entry.crc32)}.`);
  }
  if (later) await checkDescriptor(source, entry, contentEnd, next, extra.has(zip.extraZip64));
  return contentOffset;
}

/** A descriptor comes with or without signature and with sizes of 4 or 8 bytes; nothing in it says which. */
async function checkDescriptor(
  source: ByteSource,
  entry: ZipEntry,
  offset: number,
  next: Neighbour,
  zip64: boolean,
): Promise<void> {
  const bytes = await readExactly(source, offset, Math.min(24, next.offset - offset));
  const view = viewOf(bytes);
  const signed = bytes.length >= 4 && view.getUint32(0, true) === zip.descriptorSignature;
  const found = (start: number, wide: boolean): boolean => {
    if (start + (wide ? 20 : 12) > bytes.length) return false;
    const field = (at: number) => (wide ? readUint64(view, at) : view.getUint32(at, true));
    return (
      view.getUint32(start, true) === entry.crc32 &&
      field(start + 4) === entry.compressedSize &&
      field(start + (wide ? 12 : 8)) === entry.size
    );
  };
  if (signed && (found(4, zip64) || found(4, !zip64))) return;
  if (found(0, zip64) || found(0, !zip64)) return;
  throw new ConsiliumError(
    'NPZ_DESCRIPTOR',
    `The descriptor at ${offset} does not state CRC ${hex(entry.crc32)} and ${entry.compressedSize}/${entry.size} bytes.`,
    { where: `data descriptor of ${quote(entry.name)}` },
  );
}

export function hex(crc32: number): string {
  return crc32.toString(16).padStart(8, '0');
}
