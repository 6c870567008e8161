import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Config, EntryName, RunnablePackage, TaskEvent } from '@consilium/package-runner';
import { ConsiliumError } from '@consilium/protocol';
import { type LocalResult, type LocalRun, moveFile, runEntry } from '../local/run-entry.js';

/** What a person asks of `package run`. Paths as given. */
export interface LocalSession {
  readonly package: RunnablePackage;
  readonly entry: EntryName;
  readonly config: Config;
  readonly data?: string;
  readonly weights?: string;
  readonly input?: string;
  /** Data to validate the trained model on afterwards. */
  readonly validate?: string;
  readonly out?: string;
  readonly state?: string;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly watch: (entry: EntryName) => (event: TaskEvent) => void;
}

/** What one entry left behind. */
export interface EntryOutcome {
  readonly entry: EntryName;
  readonly metrics: Readonly<Record<string, number>>;
  readonly num_examples?: number;
  readonly backend?: { readonly name: string; readonly device?: string };
  readonly isolation: string;
  readonly duration_ms: number;
  readonly peak_memory_bytes?: number;
  /** Files that were kept in the out folder. */
  readonly files: readonly string[];
}

/**
 * Runs an entry with no server: `train` without weights is preceded by `init`, and followed by `validate` when
 * data for that was given. Gives an outcome for each, in order.
 *
 * @throws CLI_NO_WEIGHTS, CLI_FILE, CLI_INTERRUPTED, and PKG_ codes of the task that failed
 */
export async function runLocally(session: LocalSession): Promise<EntryOutcome[]> {
  requireModel(session);
  for (const path of [session.data, session.weights, session.input, session.validate])
    await requirePath(path);
  const work = await mkdtemp(join(tmpdir(), 'consilium-local-'));
  try {
    return await inFolder(session, work);
  } catch (error) {
    if (!(error instanceof ConsiliumError && error.code === 'PKG_TASK_ABORTED')) throw error;
    throw new ConsiliumError('CLI_INTERRUPTED', `${session.entry} was stopped.`, { cause: error });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function inFolder(session: LocalSession, work: string): Promise<EntryOutcome[]> {
  const { entry, package: pack, config, seed, signal } = session;
  const stateDir = session.state === undefined ? join(work, 'state') : resolve(session.state);
  const common = { package: pack, config, seed, signal, stateDir };
  const outcomes: EntryOutcome[] = [];
  const run = async (
    name: EntryName,
    more: Partial<LocalRun>,
    keep: (result: LocalResult) => Promise<string[]>,
  ) => {
    const task = { ...common, entry: name, onEvent: session.watch(name), ...more };
    outcomes.push(await runEntry(task, async (result) => outcomeOf(name, result, await keep(result))));
  };
  let weights = session.weights;
  if (entry === 'train' && weights === undefined) {
    const seedModel = join(work, 'init.npz');
    await run('init', {}, async ({ parts }) => {
      await moveFile(parts.weights!, seedModel);
      return [];
    });
    weights = seedModel;
  }
  const data = session.data === undefined ? {} : { dataDir: session.data };
  const inputs = {
    ...(weights === undefined ? {} : { weights }),
    ...(session.input === undefined ? {} : { input: session.input }),
  };
  const results = session.out === undefined ? join(work, 'out') : resolve(session.out);
  await run(entry, { ...data, ...inputs }, async (result) => {
    const files = await keepResult(entry, result, results);
    return session.out === undefined ? [] : files;
  });
  if (session.validate !== undefined) {
    const trained = join(results, 'weights.npz');
    await run(
      'validate',
      { dataDir: session.validate, weights: trained },
      async ({ metrics, numExamples }) => {
        if (session.out === undefined) return [];
        return [await writeJson(join(results, 'validation.json'), { num_examples: numExamples, ...metrics })];
      },
    );
  }
  return outcomes;
}

function requireModel({ entry, weights, validate, package: pack }: LocalSession): void {
  if (validate !== undefined && entry !== 'train') {
    throw new ConsiliumError('USAGE', `It goes with train, not with ${entry}.`, { where: '--validate' });
  }
  if (weights !== undefined || entry === 'init') return;
  if (entry !== 'train')
    throw new ConsiliumError('CLI_NO_WEIGHTS', `It is ${entry}.`, { where: '--weights' });
  if (pack.entry.init !== undefined) return;
  const detail = `${pack.name} has no init entry that would make one.`;
  throw new ConsiliumError('CLI_NO_WEIGHTS', detail, { where: '--weights' });
}

async function requirePath(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  try {
    await stat(path);
  } catch (cause) {
    throw new ConsiliumError('CLI_FILE', 'There is no such file or folder.', { where: path, cause });
  }
}

/** Moves what the entry made into a folder; gives the paths. */
async function keepResult(entry: EntryName, result: LocalResult, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (const [part, path] of Object.entries(result.parts)) {
    files.push(join(folder, `${part}.npz`));
    await moveFile(path, files.at(-1)!);
  }
  if (result.predictions !== undefined) {
    files.push(join(folder, 'predictions.json'));
    await moveFile(result.predictions, files.at(-1)!);
  }
  const { metadata, metrics, numExamples } = result;
  if (Object.keys(metadata).length > 0) files.push(await writeJson(join(folder, 'metadata.json'), metadata));
  if (entry !== 'init' && Object.keys(metrics).length > 0) {
    const count = numExamples === undefined ? {} : { num_examples: numExamples };
    files.push(await writeJson(join(folder, 'metrics.json'), { ...count, ...metrics }));
  }
  return files;
}

async function writeJson(path: string, value: unknown): Promise<string> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
  return path;
}

function outcomeOf(entry: EntryName, result: LocalResult, files: readonly string[]): EntryOutcome {
  const { metrics, numExamples, backend, isolation, durationMs, peakMemory } = result;
  return {
    entry,
    metrics,
    ...(numExamples === undefined ? {} : { num_examples: numExamples }),
    ...(backend === undefined ? {} : { backend }),
    isolation,
    duration_ms: durationMs,
    ...(peakMemory === undefined ? {} : { peak_memory_bytes: peakMemory }),
    files,
  };
}
