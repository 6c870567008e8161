import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Run } from '../entry.js';
import type { EntryName, TaskFile } from '../task.js';

export interface EntryRequest {
  readonly entry: EntryName;
  /** Folder for this task: `task.json`, state, temporary files, outputs. Made when it is not there. */
  readonly folder: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly dataDir?: string;
  /** A state folder to share between tasks; one inside `folder` when not given. */
  readonly stateDir?: string;
  readonly inputs?: Readonly<Record<string, string>>;
  readonly site?: string;
  readonly round?: number;
  readonly accelerator?: string;
}

/** What a task left behind. */
export interface EntryResult {
  readonly task: string;
  /** Path of the npz file; there after `init` and `train`. */
  readonly weights: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly predictions: unknown;
}

const outputsOf: Readonly<Record<EntryName, readonly string[]>> = {
  init: ['weights', 'metadata', 'metrics'],
  train: ['weights', 'metadata', 'metrics'],
  validate: ['metrics', 'metadata'],
  predict: ['predictions', 'metrics', 'metadata'],
};

/** Writes the `task.json` of the package contract and makes its folders; gives the file's path. */
export function writeTask(request: EntryRequest): string {
  const { entry, folder, config, seed, round = 0, site = 'local', accelerator = 'none' } = request;
  const out = join(folder, 'out');
  const stateDir = request.stateDir ?? join(folder, 'state');
  const tmpDir = join(folder, 'tmp');
  for (const path of [out, stateDir, tmpDir]) mkdirSync(path, { recursive: true });
  const outputs = outputsOf[entry].map((name) => [
    name,
    join(out, `${name}.${name === 'weights' ? 'npz' : 'json'}`),
  ]);
  const task: TaskFile = {
    contract: 1,
    entry,
    session: 'local',
    round,
    site,
    package: { name: 'local', version: '0.0.0', digest: null },
    config,
    dataDir: request.dataDir ?? null,
    stateDir,
    tmpDir,
    seed,
    inputs: request.inputs ?? {},
    outputs: Object.fromEntries(outputs) as Record<string, string>,
    accelerator,
    threads: 1,
  };
  const path = join(folder, 'task.json');
  writeFileSync(path, JSON.stringify(task, null, 2));
  return path;
}

function readJson(path: string | undefined): unknown {
  return path !== undefined && existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Reads the outputs of a task that has run. */
export function readResult(taskPath: string): EntryResult {
  const { outputs } = readJson(taskPath) as TaskFile;
  return {
    task: taskPath,
    weights: outputs.weights ?? '',
    metadata: (readJson(outputs.metadata) ?? {}) as Record<string, unknown>,
    metrics: (readJson(outputs.metrics) ?? {}) as Record<string, number>,
    predictions: readJson(outputs.predictions),
  };
}

/** Runs an entry in this process, through the same contract as a client: real task file, real outputs. */
export async function runEntry(run: Run, request: EntryRequest): Promise<EntryResult> {
  const path = writeTask(request);
  await run(path);
  return readResult(path);
}
