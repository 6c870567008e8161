import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';
import { formatSize } from './units.js';

/** Bounds on a package, on both sides: what is packed and what is unpacked. */
export interface PackageLimits {
  readonly files: number;
  /** All files together, bytes. */
  readonly unpacked: number;
  /** The archive, bytes. */
  readonly archive: number;
  /** Inflated bytes per archive byte. */
  readonly ratio: number;
  /** Bytes (UTF-8) of a member's path. */
  readonly path: number;
}

export const defaultPackageLimits: PackageLimits = {
  files: 5000,
  unpacked: 256 * 2 ** 20,
  archive: 64 * 2 ** 20,
  ratio: 200,
  path: 200,
};

export interface PackageFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly size: number;
  readonly executable: boolean;
}

export interface PackageListing {
  /** Sorted by the bytes of the path. */
  readonly files: readonly PackageFile[];
  /** Weights too large to belong into a package; left out, and said so. */
  readonly leftOut: readonly string[];
}

/** Weights above this are results, not part of a program. */
const largestWeights = 2 ** 20;
const ignoredAnywhere = new Set(['node_modules', '__pycache__', 'Thumbs.db']);
const ignoredAtTop = new Set(['data', 'dist', 'venv', 'package-lock.json', 'tsconfig.json']);
const ignoredName = /^\.|\.pyc$|\.tsbuildinfo$|\.test\.[cm]?[jt]s$/;

/**
 * The files of a package folder that belong into its archive: everything but hidden files, tests,
 * installed modules, `data/`, `dist/`, and weights above 1 MiB.
 *
 * @throws ConsiliumError PKG_BAD_FILE for links, devices and names that do not travel; PKG_TOO_*
 */
export async function listPackageFiles(
  folder: string,
  limits: PackageLimits = defaultPackageLimits,
): Promise<PackageListing> {
  const files: PackageFile[] = [];
  const leftOut: string[] = [];
  let total = 0;
  const walk = async (prefix: string): Promise<void> => {
    for (const name of await readdir(join(folder, prefix))) {
      if (ignoredAnywhere.has(name) || ignoredName.test(name)) continue;
      if (prefix === '' && ignoredAtTop.has(name)) continue;
      const path = prefix === '' ? name : `${prefix}/${name}`;
      const stat = await lstat(join(folder, path));
      if (stat.isDirectory()) {
        await walk(path);
        continue;
      }
      if (!stat.isFile()) {
        const what = stat.isSymbolicLink() ? 'a link' : 'no regular file';
        throw new ConsiliumError('PKG_BAD_FILE', `It is ${what}.`, { where: path });
      }
      if (path.endsWith('.npz') && stat.size > largestWeights) {
        leftOut.push(path);
        continue;
      }
      files.push({ path, size: stat.size, executable: (stat.mode & 0o100) !== 0 });
      total += stat.size;
      if (files.length > limits.files) {
        throw new ConsiliumError('PKG_TOO_MANY_FILES', `At most ${limits.files} are allowed.`, {
          where: folder,
        });
      }
      if (total > limits.unpacked) {
        const detail = `The files have more than ${formatSize(limits.unpacked)}; ${path} has ${formatSize(stat.size)}.`;
        throw new ConsiliumError('PKG_TOO_LARGE', detail, { where: folder });
      }
    }
  };
  await walk('');
  files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return { files, leftOut };
}
