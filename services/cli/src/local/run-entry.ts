import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import {
  buildPackage,
  type EntryName,
  findSdk,
  type RunnablePackage,
  resolveAccelerator,
  resolveConfig,
  resolveLimits,
  runnableFromFolder,
  runTask,
  type TaskEvent,
  type TaskResult,
} from '@consilium/package-runner';
import { ConsiliumError } from '@consilium/protocol';

export interface LocalRun {
  readonly package: RunnablePackage;
  readonly entry: EntryName;
  /** Overrides of the package's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly dataDir?: string;
  readonly weights?: string;
  /** predict: a file or folder. */
  readonly input?: string;
  readonly seed?: number;
  readonly site?: string;
  /** Kept between runs; a temporary one when left out. */
  readonly stateDir?: string;
  readonly onEvent?: (event: TaskEvent) => void;
  readonly signal?: AbortSignal;
}

export type LocalResult = Extract<TaskResult, { ok: true }>;

/**
 * Runs an entry point of a package by the contract that clients use, in the same sandbox, with no server. The
 * files of the result exist while `use` runs.
 * @throws whatever the task failed with (PKG_ codes), its log tail in the detail
 */
export async function runEntry<T>(run: LocalRun, use: (result: LocalResult) => Promise<T>): Promise<T> {
  const work = await mkdtemp(join(tmpdir(), 'consilium-run-'));
  try {
    const { package: pack } = run;
    const inputs = {
      ...(run.weights === undefined ? {} : { weights: resolve(run.weights) }),
      ...(run.input === undefined ? {} : { input: resolve(run.input) }),
    };
    const result = await runTask(
      {
        entry: run.entry,
        session: 'local',
        round: run.entry === 'init' ? 0 : 1,
        site: run.site ?? 'local',
        config: resolveConfig(pack.config, run.config ?? {}),
        ...(run.dataDir === undefined ? {} : { dataDir: resolve(run.dataDir) }),
        stateDir: run.stateDir === undefined ? join(work, 'state') : resolve(run.stateDir),
        seed: run.seed ?? 0,
        inputs,
      },
      {
        package: pack,
        workDir: join(work, 'tasks'),
        limits: resolveLimits(pack),
        accelerator: resolveAccelerator(pack),
        sandbox: { isolation: 'any', network: 'none' },
        ...(pack.runtime === 'node' ? { sdk: await findSdk(import.meta.url) } : {}),
        ...(run.onEvent === undefined ? {} : { onEvent: run.onEvent }),
        ...(run.signal === undefined ? {} : { signal: run.signal }),
      },
    );
    if (!result.ok) throw withLog(result);
    return await use(result);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The error of a failed task, with the last lines that the program printed. */
function withLog({ error, logTail }: Extract<TaskResult, { ok: false }>): ConsiliumError {
  const tail = logTail.trimEnd();
  if (tail === '') return error;
  const where = error.where === undefined ? {} : { where: error.where };
  return new ConsiliumError(error.code, `${error.detail}\n${tail}`, {
    ...where,
    fix: error.fix,
    cause: error,
  });
}

/** Builds a package folder into a temporary place, lends it, and removes it. */
export async function withBuiltPackage<T>(
  folder: string,
  use: (pack: RunnablePackage, builtFolder: string) => Promise<T>,
): Promise<T> {
  const work = await mkdtemp(join(tmpdir(), 'consilium-build-'));
  try {
    const built = await buildPackage(resolve(folder), join(work, 'package'));
    return await use(await runnableFromFolder(built.folder), built.folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Moves a file, across file systems too. */
export async function moveFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(resolve(to)), { recursive: true });
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to);
    await rm(from);
  }
}
