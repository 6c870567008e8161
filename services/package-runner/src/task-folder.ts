import { constants } from 'node:fs';
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Accelerator, EntryName, TaskFile, TaskRequest } from './contract.js';
import { contractVersion } from './contract.js';
import { requirePartNames } from './part-names.js';
import type { RunnablePackage } from './runnable.js';
import type { TaskPaths } from './sandbox/environment.js';

/** The files of one task. */
export interface TaskFolder {
  readonly task: TaskFile;
  readonly paths: TaskPaths;
  /** What the process may write to: its working directory. */
  readonly box: string;
  readonly out: string;
  /** Where results are moved to; the process cannot reach it. */
  readonly results: string;
  remove(): Promise<void>;
}

export interface TaskFolderOptions {
  readonly workDir: string;
  /** A worker's folder, in which the box is made; otherwise it lies beside the results. */
  readonly boxes?: string;
  /** Inputs below one of these are used where they are, others are copied into the box. Left out: all are. */
  readonly reachable?: readonly string[];
  readonly threads: number;
  readonly accelerator: Accelerator;
}

/**
 * Writes task.json and makes the folders; see docs/reference/compute-package.md.
 * @throws ConsiliumError PKG_BAD_PART before anything is made
 */
export async function createTaskFolder(
  pack: RunnablePackage,
  request: TaskRequest,
  options: TaskFolderOptions,
): Promise<TaskFolder> {
  requirePartNames(Object.keys(request.inputs ?? {}));
  await mkdir(options.workDir, { recursive: true, mode: 0o700 });
  await mkdir(request.stateDir, { recursive: true, mode: 0o700 });
  const root = await mkdtemp(join(options.workDir, 'task-'));
  const box = options.boxes === undefined ? join(root, 'box') : join(options.boxes, basename(root));
  const remove = async (): Promise<void> => {
    await removeTree(box);
    await removeTree(root);
  };
  try {
    const out = join(box, 'out');
    const tmpDir = join(box, 'tmp');
    await mkdir(out, { recursive: true, mode: 0o700 });
    await mkdir(tmpDir, { mode: 0o700 });
    const task: TaskFile = {
      contract: contractVersion,
      entry: request.entry,
      session: request.session,
      round: request.round,
      site: request.site,
      package: { name: pack.name, version: pack.version, digest: pack.digest },
      config: request.config,
      dataDir: request.dataDir ?? null,
      stateDir: request.stateDir,
      tmpDir,
      seed: request.seed,
      inputs: await stageInputs(request.inputs ?? {}, join(box, 'in'), options.reachable),
      outputs: outputPaths(request.entry, Object.keys(request.inputs ?? {}), out),
      accelerator: options.accelerator,
      threads: options.threads,
    };
    const paths = {
      taskFile: join(box, 'task.json'),
      configFile: join(box, 'config.json'),
      packageDir: pack.folder,
    };
    await writeFile(paths.taskFile, JSON.stringify(task, null, 2));
    await writeFile(paths.configFile, JSON.stringify(request.config, null, 2));
    return { task, paths, box, out, results: join(root, 'results'), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function outputPaths(entry: EntryName, inputs: readonly string[], out: string): Record<string, string> {
  const parts = entry === 'init' ? ['weights'] : entry === 'train' ? inputs : [];
  return {
    ...Object.fromEntries(parts.map((name) => [name, join(out, `${name}.npz`)])),
    ...(entry === 'predict' ? { predictions: join(out, 'predictions.json') } : {}),
    metadata: join(out, 'metadata.json'),
    metrics: join(out, 'metrics.json'),
  };
}

async function stageInputs(
  inputs: Readonly<Record<string, string>>,
  folder: string,
  reachable: readonly string[] | undefined,
): Promise<Record<string, string>> {
  const staged: Record<string, string> = {};
  for (const [name, path] of Object.entries(inputs)) {
    if (reachable === undefined || reachable.some((root) => path === root || path.startsWith(`${root}/`))) {
      staged[name] = path;
      continue;
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    staged[name] = join(folder, name === 'input' ? basename(path) : `${name}.npz`);
    await cp(path, staged[name], { recursive: true, dereference: true, mode: constants.COPYFILE_FICLONE });
  }
  return staged;
}

/** Removes a folder that a package wrote into; it may have taken away its own permissions. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch {
    await makeRemovable(folder);
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeRemovable(folder: string): Promise<void> {
  const stat = await lstat(folder).catch(() => undefined);
  if (stat?.isDirectory() !== true) return;
  await chmod(folder, 0o700);
  for (const name of await readdir(folder)) await makeRemovable(join(folder, name));
}
