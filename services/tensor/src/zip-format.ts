/** Constants of the zip format; numbers in brackets are sections of PKWARE's APPNOTE.TXT 6.3.10. */
export const zip = {
  /** Local file header (4.3.7). */
  localSignature: 0x04034b50,
  localLength: 30,
  /** Data descriptor (4.3.9); the signature is customary, not required. */
  descriptorSignature: 0x08074b50,
  /** Central directory header (4.3.12). */
  centralSignature: 0x02014b50,
  centralLength: 46,
  /** End of central directory (4.3.16), and the zip64 record and locator before it (4.3.14, 4.3.15). */
  endSignature: 0x06054b50,
  endLength: 22,
  end64Signature: 0x06064b50,
  end64Length: 56,
  locatorSignature: 0x07064b50,
  locatorLength: 20,
  /** A 16-bit or 32-bit field with all bits set defers to zip64. */
  max16: 0xffff,
  max32: 0xffffffff,
  /** Extra fields (4.5): zip64 sizes; Info-ZIP's Unicode path, which would be a second name. */
  extraZip64: 0x0001,
  extraUnicodePath: 0x7075,
  /** General purpose flags (4.4.4). */
  flagEncrypted: 1 << 0,
  flagDescriptor: 1 << 3,
  flagStrongEncryption: 1 << 6,
  flagUtf8: 1 << 11,
  flagMasked: 1 << 13,
  /** Hints of a deflate encoder, without meaning for a reader. */
  flagsDeflateHints: (1 << 1) | (1 << 2),
  stored: 0,
  deflated: 8,
  /** 1980-01-01 00:00:00, the earliest time a zip can state: bytes do not depend on the clock. */
  dosTime: 0,
  dosDate: (1 << 5) | 1,
} as const;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit field as a number; Infinity where it is beyond what a number holds exactly. */
export function readUint64(view: DataView, offset: number): number {
  const value = view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
  return Number.isSafeInteger(value) ? value : Infinity;
}

/** Writes a non-negative safe integer as a 64-bit field. */
export function writeUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}
