import { gzipSync } from 'node:zlib';
import { type PackageManifest, signPackage } from '@consilium/package-runner';
import { digestOf, type Identity } from '@consilium/platform';

/** A member of a tar file as an attacker would write it. */
export interface RawMember {
  readonly path: string;
  readonly content?: string | Buffer;
  /** ustar type flag: `0` file, `1` hard link, `2` symbolic link, `3` device, `5` folder, `6` FIFO. */
  readonly type?: string;
  readonly linkpath?: string;
}

export function rawTar(members: readonly RawMember[]): Buffer {
  const parts: Buffer[] = [];
  for (const { path, content = '', type = '0', linkpath = '' } of members) {
    const body = Buffer.from(content);
    const header = Buffer.alloc(512);
    const put = (text: string, offset: number) => header.write(text, offset, 'latin1');
    put(path, 0);
    put('0000644\0', 100);
    put('0000000\0', 108);
    put('0000000\0', 116);
    put(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    put('00000000000\0', 136);
    put(type, 156);
    put(linkpath, 157);
    put('ustar\u000000', 257);
    // POSIX: the sum of all bytes with the checksum itself taken as blanks.
    header.fill(' ', 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

export interface RawPackage {
  readonly archive: Buffer;
  readonly manifest: PackageManifest;
}

/** An archive of these members with a manifest that is honest about them, properly signed. */
export function rawPackage(
  identity: Identity,
  members: readonly RawMember[],
  options: { name?: string; version?: string; archive?: Buffer; listed?: readonly RawMember[] } = {},
): RawPackage {
  const { name = 'demo', version = '1.0.0', archive = gzipSync(rawTar(members)), listed = members } = options;
  const files = listed
    .filter(({ type = '0' }) => type === '0')
    .map(({ path, content = '' }) => {
      const body = Buffer.from(content);
      return { path, size: body.length, sha256: digestOf(body).slice('sha256:'.length) };
    });
  const manifest = signPackage(
    {
      ...{ schema: 1, name, version, digest: digestOf(archive), size: archive.length, files },
      ...{
        runtime: 'process',
        worker: false,
        entry: { train: ['sh', 'train.sh'], validate: ['sh', 'train.sh'] },
      },
      config: {
        type: 'object',
        properties: { epochs: { type: 'integer', minimum: 1 } },
        additionalProperties: false,
      },
      resources: { network: 'none', accelerator: 'none' },
      parts: [],
      created_at: '2026-01-01T00:00:00.000Z',
    },
    identity,
  );
  return { archive, manifest };
}
