import { ConsiliumError } from '@consilium/protocol/errors';
import { readExactly } from './bytes.js';
import type { ByteSource } from './types.js';
import { readUint64, viewOf, zip } from './zip-format.js';

/** Where the central directory is, as the end records say; it ends exactly where they start. */
export interface ZipEnd {
  readonly entries: number;
  readonly directoryOffset: number;
  readonly directorySize: number;
}

/** A comment has at most 65,535 bytes, so the end record starts within these last bytes. */
const searchLength = zip.endLength + zip.max16;

/**
 * Finds and cross-checks the end records. Throws NPZ_NOT_ZIP, NPZ_TRUNCATED, NPZ_TRAILING_BYTES,
 * NPZ_END_AMBIGUOUS, NPZ_MULTI_DISK, NPZ_ZIP64 or NPZ_DIRECTORY.
 */
export async function readZipEnd(source: ByteSource): Promise<ZipEnd> {
  const where = 'end of central directory';
  const at = await findEnd(source, where);
  const before = Math.min(at, zip.locatorLength);
  const bytes = await readExactly(source, at - before, before + zip.endLength);
  const end = viewOf(bytes.subarray(before));
  const short = {
    entries: end.getUint16(10, true),
    directorySize: end.getUint32(12, true),
    directoryOffset: end.getUint32(16, true),
  };
  if (
    end.getUint16(4, true) !== 0 ||
    end.getUint16(6, true) !== 0 ||
    end.getUint16(8, true) !== short.entries
  ) {
    const text = `Disk ${end.getUint16(4, true)}, directory on disk ${end.getUint16(6, true)}, ${end.getUint16(8, true)} of ${short.entries} entries here.`;
    throw new ConsiliumError('NPZ_MULTI_DISK', text, { where });
  }
  const locator = viewOf(bytes.subarray(0, before));
  const wide = before === zip.locatorLength && locator.getUint32(0, true) === zip.locatorSignature;
  // Whether zip64 holds is decided by the locator, as in Python; without it the short fields are literal.
  const result = wide ? await readZip64(source, locator, at - before, short) : { ...short, endsAt: at };
  const { entries, directoryOffset, directorySize, endsAt } = result;
  if (directoryOffset + directorySize !== endsAt) {
    const text = `${directorySize} bytes at ${directoryOffset} do not end at ${endsAt}, where the end records start.`;
    throw new ConsiliumError('NPZ_DIRECTORY', text, { where });
  }
  return { entries, directoryOffset, directorySize };
}

async function findEnd(source: ByteSource, where: string): Promise<number> {
  const { size } = source;
  if (size < zip.endLength) {
    const text = size === 0 ? 'It is empty.' : `It has only ${size} bytes.`;
    throw new ConsiliumError('NPZ_NOT_ZIP', text, { where: 'start of file' });
  }
  const last = viewOf(await readExactly(source, size - zip.endLength, zip.endLength));
  if (last.getUint32(0, true) === zip.endSignature && last.getUint16(20, true) === 0)
    return size - zip.endLength;
  const length = Math.min(size, searchLength);
  const tail = viewOf(await readExactly(source, size - length, length));
  const fits: number[] = [];
  let seen = -1;
  for (let i = length - zip.endLength; i >= 0; i--) {
    if (tail.getUint32(i, true) !== zip.endSignature) continue;
    if (seen === -1) seen = i;
    if (i + zip.endLength + tail.getUint16(i + 20, true) === length) fits.push(i);
  }
  if (fits.length > 1) {
    throw new ConsiliumError(
      'NPZ_END_AMBIGUOUS',
      `${fits.length} records would end at the end of the file.`,
      {
        where,
      },
    );
  }
  if (fits.length === 1) return size - length + fits[0]!;
  if (seen !== -1) {
    throw new ConsiliumError(
      'NPZ_TRAILING_BYTES',
      `The last end record is at ${size - length + seen} of ${size}.`,
      {
        where,
      },
    );
  }
  const head = viewOf(await readExactly(source, 0, 4)).getUint32(0, true);
  if (head === zip.localSignature) {
    throw new ConsiliumError(
      'NPZ_TRUNCATED',
      `There is no end record in the last ${length} of ${size} bytes.`,
      {
        where,
      },
    );
  }
  throw new ConsiliumError(
    'NPZ_NOT_ZIP',
    `It starts with ${head.toString(16).padStart(8, '0')} (little-endian).`,
    {
      where: 'start of file',
    },
  );
}

async function readZip64(
  source: ByteSource,
  locator: DataView,
  locatorAt: number,
  short: ZipEnd,
): Promise<ZipEnd & { endsAt: number }> {
  const where = 'zip64 end of central directory';
  const fail = (text: string) => new ConsiliumError('NPZ_ZIP64', text, { where });
  if (locator.getUint32(4, true) !== 0 || locator.getUint32(16, true) > 1) {
    const text = `The locator names disk ${locator.getUint32(4, true)} of ${locator.getUint32(16, true)}.`;
    throw new ConsiliumError('NPZ_MULTI_DISK', text, { where });
  }
  const endsAt = readUint64(locator, 8);
  if (endsAt + zip.end64Length !== locatorAt) {
    throw fail(`The locator at ${locatorAt} points at ${endsAt}, not at the record just before it.`);
  }
  const record = viewOf(await readExactly(source, endsAt, zip.end64Length));
  if (record.getUint32(0, true) !== zip.end64Signature) throw fail(`There is no record at ${endsAt}.`);
  if (readUint64(record, 4) !== zip.end64Length - 12) throw fail(`The record states a length of its own.`);
  const wide = {
    entries: readUint64(record, 32),
    directorySize: readUint64(record, 40),
    directoryOffset: readUint64(record, 48),
  };
  if (
    record.getUint32(16, true) !== 0 ||
    record.getUint32(20, true) !== 0 ||
    readUint64(record, 24) !== wide.entries
  ) {
    throw new ConsiliumError('NPZ_MULTI_DISK', 'The directory is spread over several disks.', { where });
  }
  for (const key of ['entries', 'directorySize', 'directoryOffset'] as const) {
    const deferred = short[key] === (key === 'entries' ? zip.max16 : zip.max32);
    if (!deferred && short[key] !== wide[key])
      throw fail(`${key} is ${wide[key]} here and ${short[key]} after it.`);
  }
  return { ...wide, endsAt };
}
