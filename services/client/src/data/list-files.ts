import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { inParallel } from './in-parallel.js';

/** A file of the data folder. */
export interface DataFile {
  /** Relative to the data folder, with forward slashes. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Changes whenever the content may have changed: size, times and inode. */
  readonly stamp: string;
}

/**
 * Every regular file below a folder, sorted by path (UTF-16 code units). Links are followed, since the
 * package that reads the folder follows them too; one that leads nowhere or back up into itself is left
 * out, like sockets and devices.
 */
export async function listFiles(root: string): Promise<DataFile[]> {
  const files: DataFile[] = [];
  await walk(root, '', [await realpath(root)], files);
  return files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

async function walk(root: string, folder: string, above: readonly string[], files: DataFile[]): Promise<void> {
  const folders: { path: string; above: readonly string[] }[] = [];
  await inParallel(await readdir(join(root, folder)), async (name) => {
    const path = folder === '' ? name : `${folder}/${name}`;
    const full = join(root, path);
    const info = await stat(full, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      // A dangling link, a loop of links, or a file that was removed just now: it is not data.
      if (error.code === 'ENOENT' || error.code === 'ELOOP') return undefined;
      throw error;
    });
    if (info?.isFile()) {
      const stamp = `${info.size}-${info.mtimeNs}-${info.ctimeNs}-${info.dev}-${info.ino}`;
      files.push({ path, size: Number(info.size), stamp });
    } else if (info?.isDirectory()) {
      const real = await realpath(full);
      if (!above.includes(real)) folders.push({ path, above: [...above, real] });
    }
  });
  for (const inner of folders) await walk(root, inner.path, inner.above, files);
}
