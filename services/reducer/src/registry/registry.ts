import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  defaultPackageLimits,
  type PackageManifest,
  unpackPackage,
  verifyManifest,
  verifyPackage,
} from '@consilium/package-runner';
import { digestOf, type ObjectStore, readBytes } from '@consilium/platform';
import {
  buckets,
  ConsiliumError,
  isName,
  objectKeys,
  type PackageRef,
  semverSchema,
} from '@consilium/protocol';

export interface RegisteredPackage {
  readonly manifest: PackageManifest;
  readonly ref: PackageRef;
}

/** The compute packages in bucket `consilium-packages`: immutable versions, signed by their publishers. */
export class PackageRegistry {
  readonly #store: ObjectStore;
  readonly #tempDir: string;

  /** @param tempDir a folder for nothing else, in which archives are unpacked to be looked at. */
  constructor(store: ObjectStore, tempDir: string) {
    this.#store = store;
    this.#tempDir = tempDir;
  }

  /**
   * Registers a version whose archive was uploaded before. The same archive and manifest again is no
   * error; anything else under a version that exists is.
   * @throws PKG_ codes for a bad manifest, signature or archive; PKG_VERSION_EXISTS; STORE_NOT_FOUND
   */
  async publish(document: unknown): Promise<RegisteredPackage> {
    const checked = verifyManifest(document, 'anyone');
    const { name, version, digest } = checked.content;
    // Whatever lies there: no more is read than a package may have.
    const bytes = await readUpload(this.#store, objectKeys.upload(digest));
    const { manifest } = await verifyPackage(document, bytes, 'anyone');
    const there = await this.find(name, version);
    if (there !== undefined) {
      if (there.ref.archive.digest === digest) return there;
      const detail = `${name} ${version} has the digest ${there.ref.archive.digest}; this archive has ${digest}.`;
      throw new ConsiliumError('PKG_VERSION_EXISTS', detail, { where: `${name} ${version}` });
    }
    await this.#checkContent(manifest, bytes);
    // The archive first: a manifest in the registry always has its archive.
    await this.#putOnce(objectKeys.packageArchive(name, version), bytes, 'application/gzip', digest);
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    await this.#putOnce(objectKeys.packageManifest(name, version), Buffer.from(text), 'application/json');
    return this.get(name, version);
  }

  /** @throws SESSION_NO_PACKAGE */
  async get(name: string, version: string): Promise<RegisteredPackage> {
    // Names from outside become part of a key only when they are names.
    const isNamed = isName(name) && semverSchema.safeParse(version).success;
    const found = isNamed ? await this.find(name, version) : undefined;
    if (found !== undefined) return found;
    throw new ConsiliumError('SESSION_NO_PACKAGE', `There is no ${name} ${version}.`, { where: 'package' });
  }

  async find(name: string, version: string): Promise<RegisteredPackage | undefined> {
    const key = objectKeys.packageManifest(name, version);
    let bytes: Uint8Array;
    try {
      bytes = await readAll(this.#store, buckets.packages, key);
    } catch (error) {
      if (error instanceof ConsiliumError && error.code === 'STORE_NOT_FOUND') return undefined;
      throw error;
    }
    const manifest = verifyManifest(parse(bytes, key), 'anyone', key);
    if (manifest.content.name !== name || manifest.content.version !== version) {
      const detail = `It is the manifest of ${manifest.content.name} ${manifest.content.version}.`;
      throw new ConsiliumError('PKG_BAD_MANIFEST', detail, { where: key });
    }
    const { digest, size } = manifest.content;
    const bucket = buckets.packages;
    return {
      manifest,
      ref: {
        name,
        version,
        archive: { bucket, key: objectKeys.packageArchive(name, version), digest, size },
        manifest: { bucket, key, digest: digestOf(bytes), size: bytes.length },
      },
    };
  }

  /** All versions that can be read; `onUnreadable` is told of the others. */
  async list(onUnreadable: (key: string, error: ConsiliumError) => void): Promise<RegisteredPackage[]> {
    const found: RegisteredPackage[] = [];
    for await (const { key } of this.#store.list(buckets.packages)) {
      const [name, version, file] = key.split('/');
      if (file !== 'manifest.json' || name === undefined || version === undefined) continue;
      try {
        const entry = await this.find(name, version);
        if (entry !== undefined) found.push(entry);
      } catch (error) {
        if (!(error instanceof ConsiliumError) || !/^(PKG_|STORE_TOO_LARGE)/.test(error.code)) throw error;
        onUnreadable(key, error);
      }
    }
    return found;
  }

  /** No site would unpack an archive that lies or leads out of its folder, so nobody publishes one. */
  async #checkContent(manifest: PackageManifest, bytes: Uint8Array): Promise<void> {
    const cache = join(this.#tempDir, randomUUID());
    try {
      await unpackPackage(manifest, bytes, { cache, allowed: { signers: [manifest.content.publisher] } });
    } finally {
      await rm(cache, { recursive: true, force: true });
    }
  }

  async #putOnce(
    key: string,
    bytes: Uint8Array,
    contentType: string,
    digest = digestOf(bytes),
  ): Promise<void> {
    try {
      await this.#store.put(buckets.packages, key, bytes, {
        writeOnce: true,
        contentType,
        digest,
        size: bytes.length,
      });
    } catch (error) {
      if (!(error instanceof ConsiliumError && error.code === 'STORE_EXISTS')) throw error;
      const there = digestOf(await readAll(this.#store, buckets.packages, key));
      if (there === digest) return;
      throw new ConsiliumError('PKG_VERSION_EXISTS', `${key} has other content already.`, { where: key });
    }
  }
}

/** A manifest lists each file of its package; with all that are allowed it stays below this. */
const largestManifest = 16 * 2 ** 20;

async function readAll(store: ObjectStore, bucket: string, key: string): Promise<Uint8Array> {
  const limit = key.endsWith('.json') ? largestManifest : defaultPackageLimits.archive;
  return (await readBytes(store, bucket, key, { limit })).bytes;
}

/** @throws PKG_NOT_UPLOADED, PKG_TOO_LARGE */
async function readUpload(store: ObjectStore, key: string): Promise<Uint8Array> {
  try {
    return await readAll(store, buckets.work, key);
  } catch (error) {
    if (!(error instanceof ConsiliumError)) throw error;
    const code = { STORE_NOT_FOUND: 'PKG_NOT_UPLOADED', STORE_TOO_LARGE: 'PKG_TOO_LARGE' } as const;
    if (!(error.code in code)) throw error;
    throw new ConsiliumError(code[error.code as keyof typeof code], error.detail, {
      where: 'archive',
      cause: error,
    });
  }
}

function parse(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new ConsiliumError('PKG_BAD_MANIFEST', 'It is not JSON.', { where, cause });
  }
}
