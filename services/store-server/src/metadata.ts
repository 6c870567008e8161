import { createHash, randomUUID } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type FileHandle, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Digest, Digester, type ObjectInfo } from '@consilium/platform/store';
import { errno } from './fs-errors.js';
import { NamedMutex } from './mutex.js';
import type { StoreRoot } from './root.js';

/** What is written beside an object. It holds for exactly the file that it describes. */
interface Sidecar {
  readonly version: 1;
  readonly bucket: string;
  readonly key: string;
  readonly digest: Digest;
  readonly size: number;
  readonly ino: string;
  readonly mtimeNs: string;
  readonly contentType?: string;
}

/**
 * Digests and content types, one small file an object, named by the hash of its key: keys like `a.json/b` and
 * `a` need no rule then. A sidecar that is missing, damaged or does not fit the object (a crash between the two
 * writes, a restored backup, an edit by hand) is made anew from the object's bytes; so nothing here is precious,
 * and nothing is synced.
 */
export class Metadata {
  readonly #root: StoreRoot;
  readonly #mutex = new NamedMutex();

  constructor(root: StoreRoot) {
    this.#root = root;
  }

  /** What the store knows of the open file `file`, which is the object. */
  async describe(bucket: string, key: string, file: FileHandle): Promise<ObjectInfo> {
    const stats = await file.stat({ bigint: true });
    const kept = await this.#read(bucket, key);
    if (kept !== undefined && fits(kept, stats)) return infoOf(kept, stats);
    return await this.#mutex.run(this.#path(bucket, key), async () => {
      const meanwhile = await this.#read(bucket, key);
      if (meanwhile !== undefined && fits(meanwhile, stats)) return infoOf(meanwhile, stats);
      const digest = await digestOfFile(file);
      return await this.write(bucket, key, stats, digest, undefined);
    });
  }

  async write(
    bucket: string,
    key: string,
    stats: BigIntStats,
    digest: Digest,
    contentType: string | undefined,
  ): Promise<ObjectInfo> {
    const sidecar: Sidecar = {
      version: 1,
      bucket,
      key,
      digest,
      size: Number(stats.size),
      ino: String(stats.ino),
      mtimeNs: String(stats.mtimeNs),
      ...(contentType === undefined ? {} : { contentType }),
    };
    const path = this.#path(bucket, key);
    const temporary = this.#root.private('tmp', randomUUID());
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(temporary, `${JSON.stringify(sidecar)}\n`, { mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      // The object itself is safe; without its sidecar it is only slower to describe.
      await rm(temporary, { force: true });
      if (errno(error) === undefined) throw error;
    }
    return infoOf(sidecar, stats);
  }

  async remove(bucket: string, key: string): Promise<void> {
    await rm(this.#path(bucket, key), { force: true });
  }

  async #read(bucket: string, key: string): Promise<Sidecar | undefined> {
    try {
      const value: unknown = JSON.parse(await readFile(this.#path(bucket, key), 'utf8'));
      return isSidecar(value) && value.bucket === bucket && value.key === key ? value : undefined;
    } catch (error) {
      if (errno(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  #path(bucket: string, key: string): string {
    const name = createHash('sha256').update(key).digest('hex');
    return this.#root.private('meta', bucket, name.slice(0, 2), `${name}.json`);
  }
}

/** Reads the file from its start, whatever its position. */
export async function digestOfFile(file: FileHandle): Promise<Digest> {
  const digester = new Digester();
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, digester.size);
    if (bytesRead === 0) return digester.digest();
    digester.update(buffer.subarray(0, bytesRead));
  }
}

function fits(sidecar: Sidecar, stats: BigIntStats): boolean {
  return (
    sidecar.size === Number(stats.size) &&
    sidecar.ino === String(stats.ino) &&
    sidecar.mtimeNs === String(stats.mtimeNs)
  );
}

function infoOf(sidecar: Sidecar, stats: BigIntStats): ObjectInfo {
  return {
    bucket: sidecar.bucket,
    key: sidecar.key,
    size: sidecar.size,
    etag: sidecar.digest.slice('sha256:'.length),
    digest: sidecar.digest,
    modified: Number(stats.mtimeMs),
    contentType: sidecar.contentType ?? typeByName(sidecar.key),
  };
}

function typeByName(key: string): string {
  return key.endsWith('.json') ? 'application/json' : 'application/octet-stream';
}

function isSidecar(value: unknown): value is Sidecar {
  if (typeof value !== 'object' || value === null) return false;
  const it = value as Partial<Sidecar>;
  return (
    it.version === 1 &&
    typeof it.bucket === 'string' &&
    typeof it.key === 'string' &&
    typeof it.digest === 'string' &&
    /^sha256:[0-9a-f]{64}$/.test(it.digest) &&
    typeof it.size === 'number' &&
    typeof it.ino === 'string' &&
    typeof it.mtimeNs === 'string'
  );
}
