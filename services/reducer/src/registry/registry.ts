import { type PackageManifest, verifyManifest, verifyPackage } from '@consilium/package-runner';
import { digestOf, type ObjectStore } from '@consilium/platform';
import { buckets, ConsiliumError, objectKeys, type PackageRef } from '@consilium/protocol';

export interface RegisteredPackage {
  readonly manifest: PackageManifest;
  readonly ref: PackageRef;
}

/** The compute packages in bucket `consilium-packages`: immutable versions, signed by their publishers. */
export class PackageRegistry {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /**
   * Registers a version whose archive was uploaded before. The same archive and manifest again is no
   * error; anything else under a version that exists is.
   * @throws PKG_ codes for a bad manifest, signature or archive; PKG_VERSION_EXISTS; STORE_NOT_FOUND
   */
  async publish(document: unknown): Promise<RegisteredPackage> {
    const checked = verifyManifest(document, 'anyone');
    const { name, version, digest } = checked.content;
    const bytes = await readAll(this.#store, buckets.work, objectKeys.upload(digest));
    const { manifest } = await verifyPackage(document, bytes, 'anyone');
    const there = await this.find(name, version);
    if (there !== undefined) {
      if (there.ref.archive.digest === digest) return there;
      const detail = `${name} ${version} has the digest ${there.ref.archive.digest}; this archive has ${digest}.`;
      throw new ConsiliumError('PKG_VERSION_EXISTS', detail, { where: `${name} ${version}` });
    }
    // The archive first: a manifest in the registry always has its archive.
    await this.#putOnce(objectKeys.packageArchive(name, version), bytes, 'application/gzip', digest);
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    await this.#putOnce(objectKeys.packageManifest(name, version), Buffer.from(text), 'application/json');
    return this.get(name, version);
  }

  /** @throws SESSION_NO_PACKAGE */
  async get(name: string, version: string): Promise<RegisteredPackage> {
    const found = await this.find(name, version);
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
    const manifest = verifyManifest(JSON.parse(Buffer.from(bytes).toString('utf8')), 'anyone', key);
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

  async list(): Promise<RegisteredPackage[]> {
    const found: RegisteredPackage[] = [];
    for await (const { key } of this.#store.list(buckets.packages)) {
      const [name, version, file] = key.split('/');
      if (file !== 'manifest.json' || name === undefined || version === undefined) continue;
      const entry = await this.find(name, version);
      if (entry !== undefined) found.push(entry);
    }
    return found;
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

/** Package archives are bounded by the package limits, so they may be read whole. */
async function readAll(store: ObjectStore, bucket: string, key: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await store.get(bucket, key)).body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
