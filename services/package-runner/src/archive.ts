import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, sha256 } from '@consilium/platform/digest';
import { ConsiliumError } from '@consilium/protocol';
import { missingPrograms, readPackageYaml } from './build.js';
import { closedSchema } from './config-schema.js';
import {
  type AllowedPackages,
  type PackageContent,
  type PackageManifest,
  verifyManifest,
} from './manifest.js';
import { checkMemberPath, collisionKey } from './member-path.js';
import { defaultPackageLimits, listPackageFiles, type PackageLimits } from './package-files.js';
import { parsePackageYaml } from './package-yaml.js';
import { gzipStored, writeTar } from './tar-write.js';
import { formatSize } from './units.js';

export interface PackedPackage {
  /** Bytes of package.tgz. */
  readonly archive: Buffer;
  /** Everything the publisher signs except who and when. */
  readonly content: Omit<PackageContent, 'publisher' | 'created_at'>;
}

/**
 * Packs a built folder. The same files give the same bytes on every machine and Node version.
 *
 * @throws ConsiliumError PKG_NOT_A_PACKAGE, PKG_BAD_YAML, PKG_ENTRY_MISSING, PKG_BAD_FILE, PKG_PATH_*,
 *   PKG_CASE_COLLISION, PKG_TOO_*; PKG_BUILD_FAILED for a folder that still needs `buildPackage`
 */
export async function packPackage(
  builtFolder: string,
  limits: PackageLimits = defaultPackageLimits,
): Promise<PackedPackage> {
  const { text, root } = await readPackageYaml(builtFolder);
  const yaml = parsePackageYaml(text, join(builtFolder, 'package.yaml'));
  const [missing] = await missingPrograms(root, yaml);
  if (missing !== undefined) {
    throw new ConsiliumError('PKG_ENTRY_MISSING', `"${missing.file}" does not exist.`, {
      where: `entry.${missing.entry}`,
    });
  }
  if (yaml.runtime === 'node' && yaml.worker === undefined) {
    throw new ConsiliumError('PKG_BUILD_FAILED', 'The folder has not been built.', { where: builtFolder });
  }
  const { files } = await listPackageFiles(root, limits);
  const members = [];
  const seen = new Map<string, string>();
  for (const { path, executable } of files) {
    checkMemberPath(path, limits);
    noteMember(seen, path);
    members.push({ path, executable, content: await readFile(join(root, path)) });
  }
  const archive = gzipStored(writeTar(members));
  if (archive.length > limits.archive) {
    const detail = `The archive has ${formatSize(archive.length)}; at most ${formatSize(limits.archive)} are allowed.`;
    throw new ConsiliumError('PKG_TOO_LARGE', detail, { where: builtFolder });
  }
  const { description, license, metrics } = yaml;
  const content = {
    schema: 1 as const,
    name: yaml.name,
    version: yaml.version,
    ...(description === undefined ? {} : { description }),
    ...(license === undefined ? {} : { license }),
    digest: digestOf(archive),
    size: archive.length,
    files: members.map(({ path, content: bytes }) => ({ path, size: bytes.length, sha256: sha256(bytes) })),
    runtime: yaml.runtime,
    ...(yaml.runtime === 'node' ? { sdk: yaml.sdk } : {}),
    worker: yaml.runtime === 'node' && yaml.worker === true,
    entry: Object.fromEntries(
      Object.entries(yaml.entry).map(([name, program]) => [
        name,
        typeof program === 'string' ? [program] : program,
      ]),
    ),
    config: { ...closedSchema(yaml.config) },
    resources: yaml.resources,
    ...(metrics === undefined ? {} : { metrics }),
    parts: yaml.parts,
  };
  return { archive, content };
}

/** @throws ConsiliumError PKG_DUPLICATE_MEMBER, PKG_CASE_COLLISION */
export function noteMember(seen: Map<string, string>, path: string): void {
  const key = collisionKey(path);
  const other = seen.get(key);
  if (other === path) throw new ConsiliumError('PKG_DUPLICATE_MEMBER', 'It is there twice.', { where: path });
  if (other !== undefined) {
    throw new ConsiliumError('PKG_CASE_COLLISION', `"${other}" and "${path}".`, { where: path });
  }
  seen.set(key, path);
}

/**
 * Checks a manifest (`verifyManifest`) and that these bytes are the archive it speaks of.
 * What is inside is checked by `unpackPackage`.
 *
 * @param archive bytes, or the path of a file.
 * @throws ConsiliumError as `verifyManifest`; PKG_TOO_LARGE, PKG_DIGEST_MISMATCH
 */
export async function verifyPackage(
  document: unknown,
  archive: Uint8Array | string,
  allowed: AllowedPackages | 'anyone',
  limits: PackageLimits = defaultPackageLimits,
): Promise<{ manifest: PackageManifest; bytes: Uint8Array }> {
  const manifest = verifyManifest(document, allowed);
  const { digest, size } = manifest.content;
  const bytes = await boundedBytes(archive, limits);
  const found = digestOf(bytes);
  if (found !== digest) {
    const detail = `The manifest names ${digest} (${size} bytes); the archive is ${found} (${bytes.length} bytes).`;
    throw new ConsiliumError(
      'PKG_DIGEST_MISMATCH',
      detail,
      typeof archive === 'string' ? { where: archive } : {},
    );
  }
  return { manifest, bytes };
}

async function boundedBytes(archive: Uint8Array | string, limits: PackageLimits): Promise<Uint8Array> {
  const size = typeof archive === 'string' ? (await stat(archive)).size : archive.length;
  if (size > limits.archive) {
    const detail = `The archive has ${formatSize(size)}; at most ${formatSize(limits.archive)} are allowed.`;
    throw new ConsiliumError('PKG_TOO_LARGE', detail, typeof archive === 'string' ? { where: archive } : {});
  }
  return typeof archive === 'string' ? readFile(archive) : archive;
}
