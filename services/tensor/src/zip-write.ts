import { centralExtraLength, type EntryPlan } from './npz-layout.js';
import { viewOf, writeUint64, zip } from './zip-format.js';

/** 4.5 where zip64 sizes are used, else 2.0. */
const version = (zip64: boolean) => (zip64 ? 45 : 20);

/** The name is flagged as UTF-8 only where it is not ASCII, as Python does. */
function flagsOf(plan: EntryPlan): number {
  const utf8 = plan.rawName.some((byte) => byte >= 0x80);
  return zip.flagDescriptor | (utf8 ? zip.flagUtf8 : 0);
}

/** Local header and npy header: all that stands before the elements. CRC and sizes follow in the descriptor. */
export function encodeEntryHead(plan: EntryPlan): Uint8Array {
  const { rawName, npyHeader, zip64 } = plan;
  const bytes = new Uint8Array(plan.dataOffset - plan.headerOffset);
  const view = viewOf(bytes);
  view.setUint32(0, zip.localSignature, true);
  view.setUint16(4, version(zip64), true);
  view.setUint16(6, flagsOf(plan), true);
  view.setUint16(8, zip.stored, true);
  view.setUint16(10, zip.dosTime, true);
  view.setUint16(12, zip.dosDate, true);
  view.setUint16(26, rawName.length, true);
  view.setUint16(28, zip64 ? 20 : 0, true);
  bytes.set(rawName, zip.localLength);
  if (zip64) {
    // The field says that the descriptor's sizes have eight bytes (4.3.9.2).
    view.setUint32(18, zip.max32, true);
    view.setUint32(22, zip.max32, true);
    view.setUint16(zip.localLength + rawName.length, zip.extraZip64, true);
    view.setUint16(zip.localLength + rawName.length + 2, 16, true);
  }
  bytes.set(npyHeader, bytes.length - npyHeader.length);
  return bytes;
}

export function encodeDescriptor(plan: EntryPlan, crc32: number): Uint8Array {
  const bytes = new Uint8Array(plan.zip64 ? 24 : 16);
  const view = viewOf(bytes);
  view.setUint32(0, zip.descriptorSignature, true);
  view.setUint32(4, crc32, true);
  if (plan.zip64) {
    writeUint64(view, 8, plan.size);
    writeUint64(view, 16, plan.size);
  } else {
    view.setUint32(8, plan.size, true);
    view.setUint32(12, plan.size, true);
  }
  return bytes;
}

export function encodeCentralHeader(plan: EntryPlan, crc32: number, force: boolean): Uint8Array {
  const { rawName, zip64 } = plan;
  const extraLength = centralExtraLength(plan, force);
  const wideOffset = force || plan.headerOffset >= zip.max32;
  const bytes = new Uint8Array(zip.centralLength + rawName.length + extraLength);
  const view = viewOf(bytes);
  const needed = version(zip64 || wideOffset);
  view.setUint32(0, zip.centralSignature, true);
  view.setUint16(4, needed, true);
  view.setUint16(6, needed, true);
  view.setUint16(8, flagsOf(plan), true);
  view.setUint16(10, zip.stored, true);
  view.setUint16(12, zip.dosTime, true);
  view.setUint16(14, zip.dosDate, true);
  view.setUint32(16, crc32, true);
  view.setUint32(20, zip64 ? zip.max32 : plan.size, true);
  view.setUint32(24, zip64 ? zip.max32 : plan.size, true);
  view.setUint16(28, rawName.length, true);
  view.setUint16(30, extraLength, true);
  view.setUint32(42, wideOffset ? zip.max32 : plan.headerOffset, true);
  bytes.set(rawName, zip.centralLength);
  if (extraLength > 0) {
    let at = zip.centralLength + rawName.length;
    view.setUint16(at, zip.extraZip64, true);
    view.setUint16(at + 2, extraLength - 4, true);
    at += 4;
    if (zip64) {
      writeUint64(view, at, plan.size);
      writeUint64(view, at + 8, plan.size);
      at += 16;
    }
    if (wideOffset) writeUint64(view, at, plan.headerOffset);
  }
  return bytes;
}

export function encodeEnd(directory: {
  offset: number;
  size: number;
  entries: number;
  zip64: boolean;
}): Uint8Array {
  const { offset, size, entries, zip64 } = directory;
  const before = zip64 ? zip.end64Length + zip.locatorLength : 0;
  const bytes = new Uint8Array(before + zip.endLength);
  const view = viewOf(bytes);
  if (zip64) {
    view.setUint32(0, zip.end64Signature, true);
    writeUint64(view, 4, zip.end64Length - 12);
    view.setUint16(12, version(true), true);
    view.setUint16(14, version(true), true);
    writeUint64(view, 24, entries);
    writeUint64(view, 32, entries);
    writeUint64(view, 40, size);
    writeUint64(view, 48, offset);
    view.setUint32(56, zip.locatorSignature, true);
    writeUint64(view, 64, offset + size);
    view.setUint32(72, 1, true);
  }
  const count = zip64 ? zip.max16 : entries;
  view.setUint32(before, zip.endSignature, true);
  view.setUint16(before + 8, count, true);
  view.setUint16(before + 10, count, true);
  view.setUint32(before + 12, zip64 ? zip.max32 : size, true);
  view.setUint32(before + 16, zip64 ? zip.max32 : offset, true);
  return bytes;
}
