import { open } from 'node:fs/promises';
import { ConsiliumError } from '@consilium/protocol';
import type { ObjectStore, StoredSource } from './types.js';

/** A file as a source; close it when done. */
export interface FileSource extends StoredSource {
  close(): Promise<void>;
}

/**
 * An object of the store as bytes at any offset. It stays at the version that was there when it was opened:
 * after a change of size, reads fail.
 * @throws STORE_NOT_FOUND
 */
export async function objectSource(store: ObjectStore, bucket: string, key: string): Promise<StoredSource> {
  const { size, etag } = await store.head(bucket, key);
  const where = `${bucket}/${key}`;

  async function* stream(offset: number, length: number): AsyncGenerator<Uint8Array, void> {
    if (length === 0) return;
    const read = await store.get(bucket, key, { offset, length });
    if (read.info.etag !== etag) {
      read.cancel();
      throw new ConsiliumError(
        'STORE_PRECONDITION',
        `It was ${etag} when opened, now it is ${read.info.etag}.`,
        {
          where,
        },
      );
    }
    yield* read.body;
  }

  async function readInto(offset: number, target: Uint8Array): Promise<void> {
    let at = 0;
    for await (const chunk of stream(offset, target.byteLength)) {
      target.set(chunk, at);
      at += chunk.byteLength;
    }
  }

  return {
    size,
    async read(offset, length) {
      checkRange(offset, length, size, where);
      const bytes = new Uint8Array(length);
      await readInto(offset, bytes);
      return bytes;
    },
    readInto(offset, target) {
      checkRange(offset, target.byteLength, size, where);
      return readInto(offset, target);
    },
    stream(offset = 0, length = size - offset) {
      checkRange(offset, length, size, where);
      return stream(offset, length);
    },
  };
}

/**
 * A local file as bytes at any offset.
 * @throws STORE_LOCAL_FILE
 */
export async function fileSource(path: string): Promise<FileSource> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw localFile(path, cause);
  });
  const { size } = await file.stat();

  async function fill(bytes: Uint8Array, offset: number): Promise<void> {
    for (let at = 0; at < bytes.byteLength; ) {
      const { bytesRead } = await file
        .read(bytes, at, bytes.byteLength - at, offset + at)
        .catch((cause: unknown) => {
          throw localFile(path, cause);
        });
      if (bytesRead === 0) {
        throw new ConsiliumError(
          'STORE_SIZE_MISMATCH',
          `The file ended at byte ${offset + at}, it had ${size}.`,
          {
            where: path,
          },
        );
      }
      at += bytesRead;
    }
  }

  return {
    size,
    async read(offset, length) {
      checkRange(offset, length, size, path);
      const bytes = new Uint8Array(length);
      await fill(bytes, offset);
      return bytes;
    },
    readInto(offset, target) {
      checkRange(offset, target.byteLength, size, path);
      return fill(target, offset);
    },
    async *stream(offset = 0, length = size - offset) {
      checkRange(offset, length, size, path);
      for (let at = offset; at < offset + length; ) {
        const bytes = new Uint8Array(Math.min(256 * 1024, offset + length - at));
        await fill(bytes, at);
        yield bytes;
        at += bytes.byteLength;
      }
    },
    close: () => file.close(),
  };
}

function checkRange(offset: number, length: number, size: number, where: string): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (whole && offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new ConsiliumError('STORE_BAD_RANGE', `Bytes ${offset} to ${offset + length} of ${size}.`, { where });
}

function localFile(path: string, cause: unknown): ConsiliumError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new ConsiliumError('STORE_LOCAL_FILE', `${detail}.`, { where: path, cause });
}
