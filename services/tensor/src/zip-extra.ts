import { ConsiliumError } from '@consilium/protocol/errors';
import { readUint64, viewOf, zip } from './zip-format.js';

/**
 * The extra fields in the first `length` of `bytes`, by id. Throws NPZ_EXTRA_FIELD where they do not fill
 * their space exactly, where one comes twice, and for a second name.
 */
export function extraFields(
  bytes: Uint8Array,
  length: number,
  where: string,
): ReadonlyMap<number, Uint8Array> {
  const fields = new Map<number, Uint8Array>();
  const fail = (text: string) => new ConsiliumError('NPZ_EXTRA_FIELD', text, { where });
  const view = viewOf(bytes);
  let at = 0;
  while (at < length) {
    if (at + 4 > length) throw fail(`${length - at} bytes are left over after ${fields.size} fields.`);
    const id = view.getUint16(at, true);
    const size = view.getUint16(at + 2, true);
    if (at + 4 + size > length) throw fail(`Field ${id} claims ${size} bytes, ${length - at - 4} are left.`);
    if (fields.has(id)) throw fail(`Field ${id} comes twice.`);
    if (id === zip.extraUnicodePath) throw fail('It states a second name (Unicode path).');
    fields.set(id, bytes.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return fields;
}

/** Sizes of an entry; those with all bits set are taken from the zip64 field, in this order (4.5.3). */
export function zip64Sizes(
  extra: ReadonlyMap<number, Uint8Array>,
  where: string,
  short: { size: number; compressedSize: number; headerOffset: number; disk: number },
): { size: number; compressedSize: number; headerOffset: number; disk: number } {
  const field = extra.get(zip.extraZip64);
  if (field === undefined) return short;
  const view = viewOf(field);
  const result = { ...short };
  let at = 0;
  for (const key of ['size', 'compressedSize', 'headerOffset'] as const) {
    if (short[key] !== zip.max32) continue;
    if (at + 8 > field.length) throw tooShort(field.length, where);
    result[key] = readUint64(view, at);
    at += 8;
  }
  if (short.disk === zip.max16) {
    if (at + 4 > field.length) throw tooShort(field.length, where);
    result.disk = view.getUint32(at, true);
  }
  return result;
}

function tooShort(length: number, where: string): ConsiliumError {
  return new ConsiliumError('NPZ_ZIP64', `The zip64 field has only ${length} bytes.`, { where });
}
