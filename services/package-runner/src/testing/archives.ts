import { gzipSync } from 'node:zlib';
import { digestOf, sha256 } from '@consilium/platform/digest';
import type { Identity } from '@consilium/platform/keys';
import { Header } from 'tar';
import { type PackageContent, type PackageManifest, signPackage } from '../manifest.js';

/** A member as an attacker would write it: every field of its header can be set. */
export interface RawMember {
  readonly path: string;
  readonly content?: string | Buffer;
  readonly type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'FIFO' | 'CharacterDevice' | 'BlockDevice';
  /** Type letter for what the tar package would not write. */
  readonly typeLetter?: string;
  readonly linkpath?: string;
  /** Claimed size, when it is a lie. */
  readonly size?: number;
}

export function rawTar(members: readonly RawMember[], options: { end?: boolean } = {}): Buffer {
  const parts: Buffer[] = [];
  for (const { path, content = '', type = 'File', typeLetter, linkpath, size } of members) {
    const body = Buffer.from(content);
    const header = Buffer.alloc(512);
    new Header({
      path,
      type,
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: size ?? body.length,
      mtime: new Date(0),
      ...(linkpath === undefined ? {} : { linkpath }),
    }).encode(header);
    if (typeLetter !== undefined) {
      header.write(typeLetter, 156, 'latin1');
      restoreChecksum(header);
    }
    parts.push(header, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  if (options.end !== false) parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
}

/** POSIX ustar: the sum of all bytes, the checksum itself taken as blanks, in octal. */
function restoreChecksum(header: Buffer): void {
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

export function contentFor(
  archive: Uint8Array,
  members: readonly RawMember[],
): Omit<PackageContent, 'publisher'> {
  return {
    schema: 1,
    name: 'demo',
    version: '1.0.0',
    digest: digestOf(archive),
    size: archive.length,
    files: members
      .filter(({ type = 'File' }) => type === 'File')
      .map(({ path, content = '' }) => {
        const body = Buffer.from(content);
        return { path, size: body.length, sha256: sha256(body) };
      }),
    runtime: 'process',
    worker: false,
    entry: { train: ['sh', 'train.sh'] },
    config: { type: 'object' },
    resources: { network: 'none', accelerator: 'none' },
    parts: [],
    created_at: '2026-01-01T00:00:00.000Z',
  };
}

/** An archive of these members with a manifest that honestly lists `listed` (default: the members). */
export function signedArchive(
  identity: Identity,
  members: readonly RawMember[],
  options: { listed?: readonly RawMember[]; archive?: Buffer } = {},
): { archive: Buffer; manifest: PackageManifest } {
  const archive = options.archive ?? gzipSync(rawTar(members));
  return { archive, manifest: signPackage(contentFor(archive, options.listed ?? members), identity) };
}
