import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkBucket, checkKey } from '@consilium/platform/store';
import { ConsiliumError } from '@consilium/protocol';
import { errno, nameTaken, symbolicLink } from './fs-errors.js';

/** Starts with a dot, so that it can be no bucket's name. */
const privateFolder = '.consilium';

/**
 * The folder of the store. `<root>/<bucket>/<key>` is the object itself; what else is needed lies under
 * `<root>/.consilium` on the same file system: `tmp` (writes in progress), `uploads`, `meta`.
 */
export class StoreRoot {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Creates what is missing and removes what a killed server left half-written. */
  static async open(folder: string): Promise<StoreRoot> {
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const root = new StoreRoot(await realpath(folder));
    for (const name of ['tmp', 'uploads', 'meta']) {
      await mkdir(root.private(name), { recursive: true, mode: 0o700 });
    }
    return root;
  }

  async removeTemporaries(): Promise<void> {
    const folder = this.private('tmp');
    for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
  }

  private(...names: string[]): string {
    return join(this.path, privateFolder, ...names);
  }

  temporary(): string {
    return this.private('tmp', randomUUID());
  }

  /** @throws STORE_BAD_NAME, STORE_NO_BUCKET */
  async bucket(bucket: string): Promise<string> {
    checkBucket(bucket);
    const path = join(this.path, bucket);
    const stats = await lstatOrNone(path);
    if (stats === undefined) {
      throw new ConsiliumError('STORE_NO_BUCKET', `There is no bucket ${bucket}.`, { where: bucket });
    }
    if (!stats.isDirectory()) throw symbolicLink(bucket);
    return path;
  }

  async createBucket(bucket: string): Promise<void> {
    checkBucket(bucket);
    try {
      await mkdir(join(this.path, bucket), { mode: 0o750 });
      await syncFolder(this.path);
    } catch (error) {
      if (errno(error) !== 'EEXIST') throw error;
      await this.bucket(bucket);
    }
  }

  /**
   * The file of an object, after a look at every folder on the way: none of them may be a symbolic link.
   * @throws STORE_BAD_NAME, STORE_NO_BUCKET, STORE_NOT_FOUND
   */
  async existing(bucket: string, key: string): Promise<string> {
    checkKey(key);
    const where = `${bucket}/${key}`;
    let path = await this.bucket(bucket);
    const segments = key.split('/');
    for (const segment of segments.slice(0, -1)) {
      path = join(path, segment);
      const stats = await lstatOrNone(path);
      if (stats?.isSymbolicLink()) throw symbolicLink(where);
      if (!stats?.isDirectory()) throw noObject(where);
    }
    const file = join(path, segments.at(-1) ?? '');
    const stats = await lstatOrNone(file);
    if (stats?.isSymbolicLink()) throw symbolicLink(where);
    if (!stats?.isFile()) throw noObject(where);
    return file;
  }

  /**
   * The file that an object is going to be, its folders made. The last folder may be gone again when it is
   * used (`removeEmptyFolders`): try again then.
   * @throws STORE_BAD_NAME, STORE_NO_BUCKET
   */
  async forWriting(bucket: string, key: string): Promise<string> {
    checkKey(key);
    const where = `${bucket}/${key}`;
    let path = await this.bucket(bucket);
    const segments = key.split('/');
    for (const segment of segments.slice(0, -1)) {
      const parent = path;
      path = join(path, segment);
      const stats = await lstatOrNone(path);
      if (stats === undefined) await makeFolder(path, parent);
      else if (stats.isSymbolicLink()) throw symbolicLink(where);
      else if (!stats.isDirectory()) throw nameTaken(where);
    }
    const file = join(path, segments.at(-1) ?? '');
    const stats = await lstatOrNone(file);
    if (stats?.isSymbolicLink()) throw symbolicLink(where);
    if (stats?.isDirectory()) throw nameTaken(where);
    return file;
  }

  /** After a deletion: folders without objects, up to the bucket, are no longer there either. */
  async removeEmptyFolders(bucket: string, file: string): Promise<void> {
    const top = join(this.path, bucket);
    for (let folder = dirname(file); folder !== top; folder = dirname(folder)) {
      try {
        await rmdir(folder);
      } catch (error) {
        if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errno(error) ?? '')) return;
        throw error;
      }
    }
  }
}

export async function lstatOrNone(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Makes the entries of a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export function noObject(where: string): ConsiliumError {
  return new ConsiliumError('STORE_NOT_FOUND', 'There is no such object.', { where });
}

async function makeFolder(path: string, parent: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o750 });
    await syncFolder(parent);
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error;
  }
}
