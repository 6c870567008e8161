import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256 } from '@consilium/platform/digest';
import { ConsiliumError } from '@consilium/protocol';
import { noteMember, verifyPackage } from './archive.js';
import type { AllowedPackages, PackageManifest } from './manifest.js';
import { defaultPackageLimits, type PackageLimits } from './package-files.js';
import { readArchive } from './tar-read.js';

export interface UnpackedPackage {
  readonly manifest: PackageManifest;
  /** `<cache>/<hex digest>/package`, all files read-only. */
  readonly folder: string;
  /** Whether it was there already. */
  readonly cached: boolean;
}

/**
 * Checks a foreign package completely and unpacks it into the cache. Several may unpack the same
 * package at once. After a refusal nothing of it is left. What lies in the cache is checked again
 * against the signed manifest each time, and replaced if it was touched.
 *
 * @param archive bytes, or the path of a file.
 * @throws ConsiliumError PKG_BAD_MANIFEST, PKG_UNSIGNED, PKG_BAD_SIGNATURE, PKG_SIGNER_NOT_ALLOWED,
 *   PKG_DIGEST_MISMATCH, everything `readArchive` throws, PKG_DUPLICATE_MEMBER, PKG_CASE_COLLISION,
 *   PKG_MEMBER_UNLISTED, PKG_MEMBER_DIGEST, PKG_MEMBER_MISSING
 */
export async function unpackPackage(
  document: unknown,
  archive: Uint8Array | string,
  options: { cache: string; allowed: AllowedPackages; limits?: PackageLimits },
): Promise<UnpackedPackage> {
  const limits = options.limits ?? defaultPackageLimits;
  const { manifest, bytes } = await verifyPackage(document, archive, options.allowed, limits);
  const known = await cachedPackage(manifest, options.cache);
  if (known !== undefined) return { manifest, folder: known, cached: true };
  await mkdir(options.cache, { recursive: true });
  const target = cacheFolder(manifest, options.cache);
  const temporary = join(options.cache, `.unpack-${randomBytes(8).toString('hex')}`);
  try {
    await writeMembers(manifest, bytes, join(temporary, 'package'), limits);
    await putInPlace(temporary, target, manifest, options.cache);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return { manifest, folder: join(target, 'package'), cached: false };
}

/** The folder of a package that was unpacked before and is still exactly what was signed. */
export async function cachedPackage(manifest: PackageManifest, cache: string): Promise<string | undefined> {
  const folder = join(cacheFolder(manifest, cache), 'package');
  const found = await listAll(folder).catch(() => undefined);
  if (found === undefined || found.length !== manifest.content.files.length) return undefined;
  for (const { path, size, sha256: expected } of manifest.content.files) {
    const stat = await lstat(join(folder, path)).catch(() => undefined);
    if (stat?.isFile() !== true || stat.size !== size) return undefined;
    if (sha256(await readFile(join(folder, path))) !== expected) return undefined;
  }
  return folder;
}

function cacheFolder(manifest: PackageManifest, cache: string): string {
  return join(cache, manifest.content.digest.slice('sha256:'.length));
}

async function listAll(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

async function writeMembers(
  manifest: PackageManifest,
  bytes: Uint8Array,
  folder: string,
  limits: PackageLimits,
): Promise<void> {
  const listed = new Map(manifest.content.files.map((file) => [file.path, file]));
  const seen = new Map<string, string>();
  await mkdir(folder, { recursive: true });
  for await (const { path, content, executable } of readArchive(bytes, limits)) {
    noteMember(seen, path);
    const expected = listed.get(path);
    if (expected === undefined)
      throw new ConsiliumError('PKG_MEMBER_UNLISTED', 'It is not signed.', { where: path });
    const found = sha256(content);
    if (found !== expected.sha256 || content.length !== expected.size) {
      const detail = `The manifest lists sha256 ${expected.sha256}, ${expected.size} bytes; it is ${found}, ${content.length} bytes.`;
      throw new ConsiliumError('PKG_MEMBER_DIGEST', detail, { where: path });
    }
    listed.delete(path);
    const file = join(folder, path);
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content, { flag: 'wx', mode: 0o600 });
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      // A file where another member needs a folder.
      if (code !== 'EEXIST' && code !== 'ENOTDIR' && code !== 'EISDIR') throw cause;
      throw new ConsiliumError('PKG_DUPLICATE_MEMBER', 'It is a file and a folder.', { where: path, cause });
    }
    await chmod(file, executable ? 0o555 : 0o444);
  }
  const [missing] = listed.keys();
  if (missing !== undefined) {
    throw new ConsiliumError('PKG_MEMBER_MISSING', `${listed.size} listed files are not there.`, {
      where: missing,
    });
  }
}

/** Renames into the cache; somebody else may have been faster, and what lies there may be damaged. */
async function putInPlace(
  temporary: string,
  target: string,
  manifest: PackageManifest,
  cache: string,
): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await rename(temporary, target);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      if ((await cachedPackage(manifest, cache)) !== undefined) return;
      if (attempt >= 5) throw error;
      const aside = join(cache, `.damaged-${randomBytes(8).toString('hex')}`);
      await rename(target, aside).catch(() => undefined);
      await rm(aside, { recursive: true, force: true });
    }
  }
}

/** Names in the cache folder that are no packages: left over by processes that were killed. */
export async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache).catch(() => [])) {
    if (/^\.(unpack|damaged)-/.test(name)) await rm(join(cache, name), { recursive: true, force: true });
  }
}
