import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { checkContent, type Digest, maxParts, type ObjectInfo } from '@consilium/platform/store';
import { ConsiliumError } from '@consilium/protocol';
import { errno, fromFsError } from './fs-errors.js';
import { digestOfFile } from './metadata.js';
import { NamedMutex } from './mutex.js';
import { type Objects, type WriteRequest, writeFully } from './objects.js';
import type { StoreRoot } from './root.js';

interface UploadRecord {
  readonly version: 1;
  readonly bucket: string;
  readonly key: string;
  readonly partSize: number;
}

export interface UploadState {
  readonly uploadId: string;
  readonly partSize: number;
  readonly parts: readonly { readonly number: number; readonly size: number }[];
}

const largestPart = 5 * 1024 ** 3;

/**
 * Uploads in parts. All parts go into one file, each at its place, so completing needs no copy: the file is
 * hashed and gets the object's name. `part-<n>.json` says that a part is whole. Survives restarts.
 */
export class Uploads {
  readonly #root: StoreRoot;
  readonly #objects: Objects;
  readonly #mutex = new NamedMutex();
  /** Uploads that are being completed, or are complete: nobody may write into a file that is an object. */
  readonly #closed = new Set<string>();
  readonly #completing = new Set<string>();
  /** How many requests hold the file of an upload open for writing. */
  readonly #writers = new Map<string, number>();

  constructor(root: StoreRoot, objects: Objects) {
    this.#root = root;
    this.#objects = objects;
  }

  async start(bucket: string, key: string, partSize: number, once: boolean): Promise<string> {
    if (!Number.isSafeInteger(partSize) || partSize < 1 || partSize > largestPart) {
      throw new ConsiliumError('STORE_BAD_REQUEST', `A part cannot have ${partSize} bytes.`, {
        where: 'partSize',
      });
    }
    await this.#objects.refuseEarly({ bucket, key, once });
    const uploadId = randomBytes(16).toString('hex');
    const folder = this.#folder(uploadId);
    const record: UploadRecord = { version: 1, bucket, key, partSize };
    try {
      await mkdir(folder, { mode: 0o700 });
      await writeFile(join(folder, 'data'), '', { mode: 0o640 });
      await this.#writeJson(join(folder, 'upload.json'), record);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw fromFsError(error, `${bucket}/${key}`);
    }
    return uploadId;
  }

  async state(bucket: string, key: string, uploadId: string): Promise<UploadState> {
    const { partSize } = await this.#record(bucket, key, uploadId);
    const parts: { number: number; size: number }[] = [];
    for (const name of await readdir(this.#folder(uploadId))) {
      const match = /^part-(\d+)\.json$/.exec(name);
      if (match === null) continue;
      const text = await readFile(join(this.#folder(uploadId), name), 'utf8');
      parts.push({ number: Number(match[1]), size: (JSON.parse(text) as { size: number }).size });
    }
    return { uploadId, partSize, parts: parts.sort((a, b) => a.number - b.number) };
  }

  async putPart(
    target: { readonly bucket: string; readonly key: string; readonly uploadId: string },
    number: number,
    size: number,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { bucket, key, uploadId } = target;
    const where = `${bucket}/${key} part ${number}`;
    const { partSize } = await this.#record(bucket, key, uploadId);
    if (!Number.isSafeInteger(number) || number < 1 || number > maxParts) {
      throw new ConsiliumError('STORE_BAD_REQUEST', `Parts are numbered 1 to ${maxParts}.`, { where });
    }
    if (size > partSize || size < 1) {
      throw new ConsiliumError('STORE_SIZE_MISMATCH', `It has ${size} bytes, a part has 1 to ${partSize}.`, {
        where,
      });
    }
    const said = join(this.#folder(uploadId), `part-${number}.json`);
    let file: FileHandle | undefined;
    // Before the file is opened: from then on it must not become an object unnoticed.
    this.#writers.set(uploadId, (this.#writers.get(uploadId) ?? 0) + 1);
    try {
      const data = await this.#openData(uploadId, where);
      file = data;
      const guarded = (task: () => Promise<void>): Promise<void> =>
        this.#mutex.run(uploadId, async () => {
          if (this.#closed.has(uploadId)) {
            throw new ConsiliumError('STORE_NO_UPLOAD', 'The upload is being completed.', { where });
          }
          await task();
        });
      // While it is being written again, it is not whole.
      await guarded(() => rm(said, { force: true }));
      let done = 0;
      for await (const chunk of body) {
        const at = (number - 1) * partSize + done;
        done += chunk.byteLength;
        if (done > size) break;
        await guarded(() => writeFully(data, chunk, at));
      }
      if (done !== size) {
        throw new ConsiliumError('STORE_SIZE_MISMATCH', `Stated ${size} bytes, but there are ${done}.`, {
          where,
        });
      }
      await data.datasync();
      await guarded(() => this.#writeJson(said, { size }));
    } catch (error) {
      throw fromFsError(error, where);
    } finally {
      const others = (this.#writers.get(uploadId) ?? 1) - 1;
      if (others > 0) this.#writers.set(uploadId, others);
      else {
        this.#writers.delete(uploadId);
        // Only a complete upload is still marked now; new writers find no upload.
        if (!this.#completing.has(uploadId)) this.#closed.delete(uploadId);
      }
      await file?.close();
    }
  }

  /** @throws STORE_NO_UPLOAD, STORE_UPLOAD_INCOMPLETE, STORE_SIZE_MISMATCH, STORE_DIGEST_MISMATCH, STORE_EXISTS */
  async complete(uploadId: string, request: WriteRequest & { readonly digest: Digest }): Promise<ObjectInfo> {
    const { bucket, key } = request;
    return await this.#mutex.run(`complete ${uploadId}`, async () => {
      try {
        await this.#record(bucket, key, uploadId);
      } catch (error) {
        const done = await this.#same(request, undefined);
        if (done === undefined) throw error;
        return done;
      }
      this.#closed.add(uploadId);
      this.#completing.add(uploadId);
      let published = false;
      try {
        // Waits for the write in progress; those that follow see that the upload is closed.
        await this.#mutex.run(uploadId, async () => {});
        const info = await this.#finish(uploadId, request);
        published = true;
        return info;
      } finally {
        this.#completing.delete(uploadId);
        // A request that still holds the file open must find it closed for as long as it lives.
        if (!published || !this.#writers.has(uploadId)) this.#closed.delete(uploadId);
      }
    });
  }

  async abort(bucket: string, key: string, uploadId: string): Promise<void> {
    try {
      await this.#record(bucket, key, uploadId);
    } catch (error) {
      if (error instanceof ConsiliumError && error.code === 'STORE_NO_UPLOAD') return;
      throw error;
    }
    await rm(this.#folder(uploadId), { recursive: true, force: true });
  }

  /** Removes uploads that nobody has touched since `before` (milliseconds since 1970). */
  async removeStale(before: number): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.#root.private('uploads'))) {
      const folder = this.#root.private('uploads', name);
      const stats = await Promise.all(
        [stat(folder), stat(join(folder, 'data'))].map((s) => s.catch(() => undefined)),
      );
      const touched = Math.max(...stats.map((s) => s?.mtimeMs ?? 0));
      if (touched >= before) continue;
      await rm(folder, { recursive: true, force: true });
      removed++;
    }
    return removed;
  }

  async #finish(uploadId: string, request: WriteRequest & { readonly digest: Digest }): Promise<ObjectInfo> {
    const { bucket, key, size } = request;
    const where = `${bucket}/${key}`;
    const state = await this.state(bucket, key, uploadId);
    checkParts(state, size, where);
    const path = join(this.#folder(uploadId), 'data');
    const file = await this.#openData(uploadId, where);
    try {
      await file.truncate(size);
      checkContent({ size, digest: await digestOfFile(file) }, request, where);
      await file.sync();
      const info = await this.#objects.publish(path, file, request);
      await rm(this.#folder(uploadId), { recursive: true, force: true });
      return info;
    } catch (error) {
      if (!(error instanceof ConsiliumError) || error.code !== 'STORE_EXISTS')
        throw fromFsError(error, where);
      // Killed between giving the name and removing the upload: then the object is this very file.
      const done = await this.#same(request, String((await file.stat({ bigint: true })).ino));
      await rm(this.#folder(uploadId), { recursive: true, force: true });
      if (done === undefined) throw error;
      return done;
    } finally {
      await file.close();
    }
  }

  /** The object, if it has the stated content and, where given, is the file with that number. */
  async #same(
    request: WriteRequest & { readonly digest: Digest },
    ino: string | undefined,
  ): Promise<ObjectInfo | undefined> {
    try {
      const { info, file } = await this.#objects.open(request.bucket, request.key);
      try {
        if (info.digest !== request.digest) return undefined;
        if (ino !== undefined && String((await file.stat({ bigint: true })).ino) !== ino) return undefined;
        return info;
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof ConsiliumError && error.code === 'STORE_NOT_FOUND') return undefined;
      throw error;
    }
  }

  async #record(bucket: string, key: string, uploadId: string): Promise<UploadRecord> {
    const missing = new ConsiliumError('STORE_NO_UPLOAD', 'It was completed, dropped, or never started.', {
      where: `${bucket}/${key}`,
    });
    if (!/^[0-9a-f]{32}$/.test(uploadId)) throw missing;
    let record: UploadRecord;
    try {
      record = JSON.parse(
        await readFile(join(this.#folder(uploadId), 'upload.json'), 'utf8'),
      ) as UploadRecord;
    } catch (error) {
      if (errno(error) === 'ENOENT') throw missing;
      throw error;
    }
    if (record.bucket !== bucket || record.key !== key) throw missing;
    return record;
  }

  async #openData(uploadId: string, where: string): Promise<FileHandle> {
    try {
      return await open(join(this.#folder(uploadId), 'data'), constants.O_RDWR | constants.O_NOFOLLOW);
    } catch (error) {
      throw fromFsError(error, where);
    }
  }

  #folder(uploadId: string): string {
    return this.#root.private('uploads', uploadId);
  }

  async #writeJson(path: string, value: unknown): Promise<void> {
    const temporary = this.#root.temporary();
    try {
      await writeFile(temporary, JSON.stringify(value), { mode: 0o600 });
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

function checkParts(state: UploadState, size: number, where: string): void {
  const last = state.parts.length;
  let total = 0;
  for (const [index, part] of state.parts.entries()) {
    const whole = part.number === last || part.size === state.partSize;
    if (part.number !== index + 1 || !whole) {
      throw new ConsiliumError('STORE_UPLOAD_INCOMPLETE', `Part ${index + 1} is missing or short.`, {
        where,
      });
    }
    total += part.size;
  }
  if (total < size) {
    throw new ConsiliumError('STORE_UPLOAD_INCOMPLETE', `The parts have ${total} of ${size} bytes.`, {
      where,
    });
  }
  if (total > size) {
    throw new ConsiliumError('STORE_SIZE_MISMATCH', `The parts have ${total} bytes, stated were ${size}.`, {
      where,
    });
  }
}
