import { readFile, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  defaultPackageLimits,
  type PackageManifest,
  type RunnablePackage,
  requireOwnManifest,
  runnableFromManifest,
  unpackPackage,
  verifyManifest,
} from '@consilium/package-runner';
import { downloadToFile } from '@consilium/platform';
import { ConsiliumError, type ObjectRef, type Task } from '@consilium/protocol';
import { parseSize } from '../config/size.js';
import { requireObjectAddress } from '../objects/address.js';
import type { CachedObject } from '../objects/cache.js';
import { retrying } from '../retry.js';
import type { TaskContext } from './context.js';

/** A manifest lists at most a few thousand files. */
const LARGEST_MANIFEST = 4 * 2 ** 20;

/**
 * Looks at the sizes that a task states, before anything is fetched: a combiner must not fill the disk of a site.
 * @throws ConsiliumError CLIENT_OBJECT_TOO_LARGE
 */
export function requireSizes(task: Task, { config }: TaskContext): void {
  const { manifest, archive } = task.package;
  const inputs = Object.values(task.inputs).reduce((sum, { size }) => sum + size, 0);
  const stated: readonly [string, number, number][] = [
    ['the manifest', manifest.size, LARGEST_MANIFEST],
    ['the package', archive.size, defaultPackageLimits.archive],
    ['the model', inputs, parseSize(config.cache_size)],
  ];
  for (const [what, size, most] of stated) {
    if (size <= most) continue;
    const detail = `${what} has ${size} bytes, at most ${most} are taken.`;
    throw new ConsiliumError('CLIENT_OBJECT_TOO_LARGE', detail, { where: task.id });
  }
}

/** Gets an object of a task into the cache, asking for a fresh URL whenever one is needed. */
export async function fetchObject(
  task: Task,
  name: string,
  ref: ObjectRef,
  context: TaskContext,
  signal: AbortSignal,
): Promise<CachedObject> {
  const { cache, config, link, dispatcher, clock, log } = context;
  const getUrl = async () => {
    const { get } = await link.urls({ task: task.id, get: [name] }, signal);
    const url = get[name];
    if (url !== undefined) {
      requireObjectAddress(url.url, config);
      return url;
    }
    throw new ConsiliumError('BUS_BAD_MESSAGE', `The answer has no URL for ${name}.`, { where: task.id });
  };
  const { digest, size } = ref;
  return cache.get(ref, (path) =>
    retrying(() => downloadToFile({ getUrl }, path, { digest, size, dispatcher, signal }), {
      clock,
      signal,
      onRetry: (error, attempt, retry_ms) =>
        log.warn(
          { task: task.id, object: name, attempt, retry_ms, code: error.code, reason: error.detail },
          'the download is tried again',
        ),
    }),
  );
}

/**
 * Gets the manifest of a task's package and checks that its signature holds and that it speaks of the archive
 * the task names. Whether its signer may be trusted is the policy's question.
 * @throws ConsiliumError PKG_UNSIGNED, PKG_BAD_MANIFEST, PKG_BAD_SIGNATURE, CLIENT_PACKAGE_MISMATCH, STORE_*
 */
export async function fetchManifest(
  task: Task,
  context: TaskContext,
  signal: AbortSignal,
): Promise<{ document: unknown; manifest: PackageManifest }> {
  const ref = task.package;
  const file = await fetchObject(task, 'package.manifest', ref.manifest, context, signal);
  try {
    const where = `manifest of ${ref.name} ${ref.version}`;
    const document = parseJson(await readFile(file.path, 'utf8'), where);
    const manifest = verifyManifest(document, 'anyone', where);
    const { name, version, digest, size } = manifest.content;
    const same =
      name === ref.name &&
      version === ref.version &&
      digest === ref.archive.digest &&
      size === ref.archive.size;
    if (same) return { document, manifest };
    const detail = `The task names ${ref.name} ${ref.version}, ${ref.archive.digest} (${ref.archive.size} bytes), the signed manifest ${name} ${version}, ${digest} (${size} bytes).`;
    throw new ConsiliumError('CLIENT_PACKAGE_MISMATCH', detail, { where: task.id });
  } finally {
    file.release();
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConsiliumError('PKG_BAD_MANIFEST', 'It is no JSON.', { where, cause });
  }
}

/**
 * Unpacks the archive, once for all tasks; every file of it is checked each time. Where its digest alone allows
 * it, the manifest may be anybody's and must say what the archive says.
 */
export async function installPackage(
  task: Task,
  { document, manifest }: { document: unknown; manifest: PackageManifest },
  context: TaskContext,
  signal: AbortSignal,
): Promise<RunnablePackage> {
  const archive = await fetchObject(task, 'package.archive', task.package.archive, context, signal);
  try {
    const allowed = { signers: [manifest.content.publisher] };
    const options = { cache: context.folders.packages, allowed };
    const { folder } = await unpackPackage(document, archive.path, options);
    const { allowed_signers: signers } = context.config.policy;
    if (!signers.includes(manifest.content.publisher)) await requireOwnManifest(manifest, folder);
    const time = new Date(context.clock.now());
    await utimes(dirname(folder), time, time);
    return runnableFromManifest(manifest, folder);
  } finally {
    archive.release();
  }
}
