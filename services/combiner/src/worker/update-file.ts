import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileSource, type ObjectStore } from '@consilium/platform';
import { ConsiliumError, type ObjectRef } from '@consilium/protocol';
import { type ByteSource, bufferSource } from '@consilium/tensor';

/** Objects up to this many bytes are held in memory, larger ones in a temporary file. */
const IN_MEMORY = 8 * 1024 * 1024;

/** Bytes known to have the stated digest. */
export interface VerifiedObject extends ByteSource {
  /** Lets go of the temporary file, if there is one. */
  close(): Promise<void>;
}

export interface Expectation {
  readonly ref: ObjectRef;
  /** File to use when it does not fit into memory. */
  readonly path: string;
  /** What to call it in errors. */
  readonly label: string;
}

/**
 * Reads an object once, from beginning to end, and compares size and digest before anybody looks inside.
 * Later reads at any offset are local: to check an npz file takes one at the end first, then all of it.
 *
 * @throws ConsiliumError UPDATE_WRONG_SIZE, UPDATE_WRONG_DIGEST; STORE_ codes
 */
export async function fetchVerified(store: ObjectStore, expected: Expectation): Promise<VerifiedObject> {
  const { ref, path, label } = expected;
  const read = await store.get(ref.bucket, ref.key);
  if (read.info.size !== ref.size) {
    read.cancel();
    const detail = `It has ${read.info.size} bytes instead of ${ref.size}.`;
    throw new ConsiliumError('UPDATE_WRONG_SIZE', detail, { where: label });
  }
  const hash = createHash('sha256');
  const chunks: Uint8Array[] = [];
  const hashed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of read.body) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const inMemory = ref.size <= IN_MEMORY;
  if (inMemory) for await (const chunk of hashed()) chunks.push(chunk);
  else await pipeline(Readable.from(hashed()), createWriteStream(path));
  const close = async (): Promise<void> => {
    if (!inMemory) await rm(path, { force: true });
  };
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest !== ref.digest) {
    await close();
    const detail = `It has ${digest} instead of ${ref.digest}.`;
    throw new ConsiliumError('UPDATE_WRONG_DIGEST', detail, { where: label });
  }
  if (inMemory) return { ...bufferSource(Buffer.concat(chunks)), close };
  const file = await fileSource(path);
  return {
    size: file.size,
    read: (offset, length) => file.read(offset, length),
    close: async () => {
      await file.close();
      await close();
    },
  };
}

/**
 * Writes bytes to a file and from there to the store, under the name that their digest gives. What is there
 * already has the digest in its name and was written by an earlier try.
 *
 * @returns digest and size in bytes
 */
export async function storeByDigest(
  store: ObjectStore,
  bytes: AsyncIterable<Uint8Array>,
  place: { readonly bucket: ObjectRef['bucket']; readonly keyOf: (digest: string) => string },
  tempDir: string,
): Promise<ObjectRef> {
  const path = join(tempDir, 'partial.npz');
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      hash.update(chunk);
      yield chunk;
    }
  };
  try {
    await pipeline(Readable.from(hashed()), createWriteStream(path));
    const digest = `sha256:${hash.digest('hex')}`;
    const { size } = await stat(path);
    const key = place.keyOf(digest);
    try {
      await store.put(place.bucket, key, createReadStream(path), { digest, size, writeOnce: true });
    } catch (error) {
      if (!(error instanceof ConsiliumError) || error.code !== 'STORE_EXISTS') throw error;
    }
    return { bucket: place.bucket, key, digest, size };
  } finally {
    await rm(path, { force: true });
  }
}
