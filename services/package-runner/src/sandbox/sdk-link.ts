import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readlink, realpath, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConsiliumError } from '@consilium/protocol';

/** The client's own sdk. */
export interface SdkLocation {
  /** Real path of the folder with its package.json. */
  readonly folder: string;
  readonly version: string;
  /** Everything a sandboxed program must be able to read to load it. */
  readonly readOnly: readonly string[];
  /** Folder of `@tensorflow/*` modules the sdk uses, if there is one. */
  readonly tensorflow?: string;
}

const sdkName = '@consilium/sdk';

/**
 * Finds the sdk as a module at `from` would.
 * @param from `import.meta.url` of the program that depends on the sdk, or a folder.
 * @throws ConsiliumError PKG_START_FAILED when it is not installed.
 */
export async function findSdk(from: string): Promise<SdkLocation> {
  const start = from.startsWith('file:') ? dirname(fileURLToPath(from)) : from;
  const found = findModule(sdkName, start);
  if (found === undefined) {
    throw new ConsiliumError('PKG_START_FAILED', `${sdkName} is not installed beside the client.`, {
      where: start,
    });
  }
  const folder = await realpath(found);
  const { version } = await readPackageJson(folder);
  const tensorflow = findModule('@tensorflow/tfjs-core', folder);
  return {
    folder,
    version: version ?? '0.0.0',
    readOnly: await readablePaths(folder),
    ...(tensorflow === undefined ? {} : { tensorflow: dirname(tensorflow) }),
  };
}

/**
 * Makes `@consilium/sdk` and `@tensorflow/*` resolve from a package folder: links in the
 * `node_modules` beside it. Node follows them, so the sdk finds its own dependencies where it really is.
 */
export async function linkSdk(packageFolder: string, sdk: SdkLocation): Promise<string> {
  const modules = join(dirname(packageFolder), 'node_modules');
  await ensureLink(join(modules, sdkName), sdk.folder);
  if (sdk.tensorflow !== undefined) await ensureLink(join(modules, '@tensorflow'), sdk.tensorflow);
  return modules;
}

async function ensureLink(path: string, target: string): Promise<void> {
  if ((await readlink(path).catch(() => undefined)) === target) return;
  await mkdir(dirname(path), { recursive: true });
  // Renamed into place, so that a program starting right now never finds it missing.
  const temporary = `${path}-${randomBytes(6).toString('hex')}`;
  await symlink(target, temporary);
  await rename(temporary, path).catch(async (error: unknown) => {
    await rm(temporary, { force: true });
    throw error;
  });
}

/** `node_modules` of a folder and of all above it, nearest first: where Node looks. */
function modulesAbove(folder: string): string[] {
  const found: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    if (basename(at) !== 'node_modules') found.push(join(at, 'node_modules'));
    if (dirname(at) === at) return found.filter((path) => existsSync(path));
  }
}

/** The folder of a module, links not followed. */
function findModule(name: string, folder: string): string | undefined {
  return modulesAbove(folder)
    .map((modules) => join(modules, name))
    .find((candidate) => existsSync(join(candidate, 'package.json')));
}

/**
 * The module folders above the sdk, and the real folders of what is linked into them from elsewhere
 * (in a workspace: protocol, tensor, …), as far as the sdk depends on it.
 */
async function readablePaths(sdkFolder: string): Promise<string[]> {
  const paths = new Set<string>();
  const seen = new Set<string>();
  const todo = [sdkFolder];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    if (seen.has(folder)) continue;
    seen.add(folder);
    for (const path of [folder, ...modulesAbove(folder)]) paths.add(path);
    const { dependencies, optionalDependencies, peerDependencies } = await readPackageJson(folder);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const found = findModule(name, folder);
      if (found !== undefined) todo.push(await realpath(found));
    }
  }
  return [...paths].filter((path) => !covered(path, paths)).sort();
}

function covered(path: string, by: ReadonlySet<string>): boolean {
  return [...by].some((other) => path !== other && path.startsWith(`${other}/`));
}

async function readPackageJson(folder: string): Promise<{
  version?: string;
  dependencies?: object;
  optionalDependencies?: object;
  peerDependencies?: object;
}> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
}
