import { crc32 } from 'node:zlib';
import { ConsiliumError } from '@consilium/protocol';
import { Header } from 'tar';

export interface TarMember {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

const block = 512;

/** A ustar file whose bytes depend on the members alone: no times, owners or modes of this machine. */
export function writeTar(members: readonly TarMember[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { path, content, executable } of members) {
    const header = Buffer.alloc(block);
    const needsPax = new Header({
      path,
      mode: executable ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      size: content.length,
      mtime: new Date(0),
      type: 'File',
      uname: '',
      gname: '',
    }).encode(header);
    if (needsPax) {
      throw new ConsiliumError('PKG_PATH_TOO_LONG', 'It does not fit a tar header.', { where: path });
    }
    parts.push(header, content, Buffer.alloc((block - (content.length % block)) % block));
  }
  parts.push(Buffer.alloc(2 * block));
  return Buffer.concat(parts);
}

const storedBlock = 65_535;

/**
 * gzip with stored (uncompressed) blocks. zlib's compressed bytes differ between its versions and
 * processors, and then an auditor who builds the same source would not find the signed digest.
 * Packages are small next to models, so the size matters less. RFC 1952, RFC 1951 section 3.2.4.
 */
export function gzipStored(data: Uint8Array): Buffer {
  // No name, no time, "unknown" operating system.
  const parts: Uint8Array[] = [Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)];
  for (let start = 0; start === 0 || start < data.length; start += storedBlock) {
    const chunk = data.subarray(start, start + storedBlock);
    const header = Buffer.alloc(5);
    header[0] = start + chunk.length >= data.length ? 1 : 0;
    header.writeUInt16LE(chunk.length, 1);
    header.writeUInt16LE(chunk.length ^ 0xffff, 3);
    parts.push(header, chunk);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(data), 0);
  trailer.writeUInt32LE(data.length % 2 ** 32, 4);
  parts.push(trailer);
  return Buffer.concat(parts);
}
