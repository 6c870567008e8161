import { constants } from 'node:fs';
import { type FileHandle, link, open, rename, rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkContent, type Digest, Digester, type ObjectInfo } from '@consilium/platform/store';
import { ConsiliumError } from '@consilium/protocol';
import { errno, fromFsError } from './fs-errors.js';
import { Metadata } from './metadata.js';
import { NamedMutex } from './mutex.js';
import { lstatOrNone, noObject, type StoreRoot, syncFolder } from './root.js';

export interface WriteRequest {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  readonly digest?: Digest | undefined;
  readonly once: boolean;
  /** Without quotes. */
  readonly ifMatch?: string | undefined;
  readonly contentType?: string | undefined;
}

/** The caller closes `file`. */
export interface OpenObject {
  readonly info: ObjectInfo;
  readonly file: FileHandle;
}

/** Whole objects as files. Uploads in parts end here too, by `publish`. */
export class Objects {
  readonly #root: StoreRoot;
  readonly #metadata: Metadata;
  readonly #mutex = new NamedMutex();

  constructor(root: StoreRoot) {
    this.#root = root;
    this.#metadata = new Metadata(root);
  }

  async open(bucket: string, key: string): Promise<OpenObject> {
    const where = `${bucket}/${key}`;
    const path = await this.#root.existing(bucket, key);
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      throw fromFsError(error, where);
    }
    try {
      if (!(await file.stat()).isFile()) throw noObject(where);
      return { info: await this.#metadata.describe(bucket, key, file), file };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async head(bucket: string, key: string): Promise<ObjectInfo> {
    const { info, file } = await this.open(bucket, key);
    await file.close();
    return info;
  }

  /** Writes to a temporary file, and makes it the object when all of it is there, right and on the disk. */
  async put(request: WriteRequest, body: AsyncIterable<Uint8Array>): Promise<ObjectInfo> {
    const where = `${request.bucket}/${request.key}`;
    await this.refuseEarly(request);
    const temporary = this.#root.temporary();
    try {
      const file = await open(temporary, 'wx', 0o640);
      try {
        const digester = new Digester();
        for await (const chunk of body) {
          digester.update(chunk);
          if (digester.size > request.size) break;
          await writeFully(file, chunk, digester.size - chunk.byteLength);
        }
        const actual = { size: digester.size, digest: digester.digest() };
        checkContent(actual, request, where);
        await file.sync();
        return await this.publish(temporary, file, { ...request, digest: actual.digest });
      } finally {
        await file.close();
      }
    } catch (error) {
      throw fromFsError(error, where);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Spares the body of a write that cannot succeed. What counts is decided in `publish`. */
  async refuseEarly(request: Pick<WriteRequest, 'bucket' | 'key' | 'once'>): Promise<void> {
    const path = await this.#root.forWriting(request.bucket, request.key);
    if (request.once && (await lstatOrNone(path)) !== undefined) throw exists(request);
  }

  /** Gives the synced file at `temporary` the object's name. The temporary name may remain: the caller removes it. */
  async publish(
    temporary: string,
    file: FileHandle,
    request: WriteRequest & { readonly digest: Digest },
  ): Promise<ObjectInfo> {
    const { bucket, key } = request;
    return await this.#mutex.run(`${bucket}/${key}`, async () => {
      if (request.ifMatch !== undefined) await this.#checkMatch(request, request.ifMatch);
      const path = await this.#place(temporary, request);
      await syncFolder(dirname(path));
      const stats = await file.stat({ bigint: true });
      return await this.#metadata.write(bucket, key, stats, request.digest, request.contentType);
    });
  }

  async delete(bucket: string, key: string): Promise<void> {
    await this.#mutex.run(`${bucket}/${key}`, async () => {
      let path: string;
      try {
        path = await this.#root.existing(bucket, key);
      } catch (error) {
        if (error instanceof ConsiliumError && error.code === 'STORE_NOT_FOUND') return;
        throw error;
      }
      await unlink(path).catch((error: unknown) => {
        throw fromFsError(error, `${bucket}/${key}`);
      });
      await syncFolder(dirname(path));
      await this.#metadata.remove(bucket, key);
      await this.#root.removeEmptyFolders(bucket, path);
    });
  }

  async #checkMatch(request: WriteRequest, ifMatch: string): Promise<void> {
    const where = `${request.bucket}/${request.key}`;
    let etag: string | undefined;
    try {
      ({ etag } = await this.head(request.bucket, request.key));
    } catch (error) {
      if (!(error instanceof ConsiliumError) || error.code !== 'STORE_NOT_FOUND') throw error;
    }
    if (etag === ifMatch) return;
    throw new ConsiliumError(
      'STORE_PRECONDITION',
      `It should have the etag ${ifMatch}, it has ${etag ?? 'none'}.`,
      {
        where,
      },
    );
  }

  /** `link` fails where the name is taken, whoever took it; `rename` replaces. Both are atomic. */
  async #place(temporary: string, request: WriteRequest): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const path = await this.#root.forWriting(request.bucket, request.key);
      try {
        if (request.once) await link(temporary, path);
        else await rename(temporary, path);
        return path;
      } catch (error) {
        // A deletion next door has removed the folder that was empty until now.
        if (errno(error) === 'ENOENT' && attempt < 10) continue;
        if (errno(error) === 'EEXIST') throw exists(request);
        throw fromFsError(error, `${request.bucket}/${request.key}`);
      }
    }
  }
}

export function exists(request: { readonly bucket: string; readonly key: string }): ConsiliumError {
  return new ConsiliumError('STORE_EXISTS', 'There is an object under this key.', {
    where: `${request.bucket}/${request.key}`,
  });
}

/** A write may take less than it was given. */
export async function writeFully(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.byteLength - done, position + done);
    done += bytesWritten;
  }
}
