import { chmod, lstat, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeLeftovers } from '@consilium/package-runner';
import { unwritable } from './json-file.js';

/** Where things lie in a state folder. Only `keys` and `enrolment.json` cannot be made again. */
export interface StateFolders {
  readonly root: string;
  /** The site's private key; hidden from packages. */
  readonly keys: string;
  readonly keyFile: string;
  readonly enrolment: string;
  readonly audit: string;
  readonly dataIndex: string;
  /** Journal of tasks. */
  readonly tasks: string;
  /** Scratch of running tasks; emptied at start. */
  readonly work: string;
  readonly cache: string;
  /** Unpacked packages by digest. */
  readonly packages: string;
  /** What packages printed, one file a task. */
  readonly logs: string;
  /** What packages keep between rounds; it never leaves the site. */
  privateState(session: string): string;
}

export function stateFolders(root: string): StateFolders {
  const keys = join(root, 'keys');
  return {
    root,
    keys,
    keyFile: join(keys, 'client.nk'),
    enrolment: join(root, 'enrolment.json'),
    audit: join(root, 'audit.jsonl'),
    dataIndex: join(root, 'data-index.json'),
    tasks: join(root, 'tasks'),
    work: join(root, 'work'),
    cache: join(root, 'cache'),
    packages: join(root, 'packages'),
    logs: join(root, 'logs'),
    privateState: (session) => join(root, 'sessions', session, 'private'),
  };
}

/** Logs of tasks; the oldest go first, at the start and before each task. */
export const KEPT_LOGS = 200;
const KEPT_PACKAGES = 20;

/**
 * Makes the folders, and removes what a killed client left of running tasks, old logs and packages that were
 * not used for longest. Nobody else may use the folder meanwhile (see `lockFolder`).
 * @throws ConsiliumError CLIENT_STATE_UNWRITABLE
 */
export async function prepareFolders(folders: StateFolders): Promise<void> {
  const { keys, tasks, work, cache, packages, logs } = folders;
  try {
    await removeTree(work);
    for (const path of [keys, tasks, work, cache, packages, logs]) {
      await mkdir(path, { recursive: true, mode: 0o700 });
    }
    await keepNewest(logs, KEPT_LOGS);
    await removeLeftovers(packages);
    await keepNewest(packages, KEPT_PACKAGES);
  } catch (cause) {
    throw unwritable(folders.root, cause);
  }
}

/** Removes all but the `count` entries of a folder that were changed last. */
export async function keepNewest(folder: string, count: number): Promise<void> {
  const entries = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      const path = join(folder, name);
      const info = await stat(path).catch(() => undefined);
      return { path, time: info?.mtimeMs ?? 0 };
    }),
  );
  entries.sort((a, b) => b.time - a.time);
  for (const { path } of entries.slice(count)) await removeTree(path);
}

/** Removes a folder in which a package may have taken away its own rights. */
async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    await makeRemovable(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function makeRemovable(path: string): Promise<void> {
  if ((await lstat(path)).isDirectory() === false) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await makeRemovable(join(path, name));
}
