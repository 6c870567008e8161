import { asConsiliumError, ConsiliumError } from '@consilium/protocol/errors';
import { type BackendChoice, useBackend } from './backend.js';
import type { BackendName } from './backend-loaders.js';
import { type Context, createContext } from './context.js';
import { type EventSink, sinkFromEnvironment } from './events.js';
import { createRng, withSeededRandom } from './random.js';
import { type EntryName, parseTask, readTaskFile, type TaskFile } from './task.js';
import { inTensorScope } from './tensor-scope.js';

export interface EntryOptions {
  /** Backends this program prefers, best first, among those the task allows. */
  readonly backends?: readonly BackendName[];
}

export type EntryFunction<Config> = (context: Context<Config>) => Promise<void> | void;
/** Runs one task, given as the parsed `task.json` or as its path. Throws when it fails. */
export type Run = (task: TaskFile | string) => Promise<void>;

/** The output without which a task is not done. */
const required: Readonly<Record<EntryName, string>> = {
  init: 'weights',
  train: 'weights',
  validate: 'metrics',
  predict: 'predictions',
};

/**
 * Makes a program of a compute package out of a function. The result goes into `export const run`.
 *
 * Started as a process (`CONSILIUM_TASK` set), it runs that task at once and ends the process. In a warm
 * worker (`CONSILIUM_WORKER` set) it waits until it is called. Imported by a test, it does nothing.
 *
 * Around the function: the backend is chosen and announced, all randomness is seeded from the task, and
 * whatever tensors and variables are left over are disposed.
 */
export function entry<Config = Readonly<Record<string, unknown>>>(
  work: EntryFunction<Config>,
  options: EntryOptions = {},
): Run {
  const run: Run = async (given) => {
    const task = typeof given === 'string' ? readTaskFile(given) : parseTask(given, 'task');
    await runTask(task, work, options);
  };
  const path = process.env.CONSILIUM_TASK;
  // After the importing module has finished, so that its own constants exist.
  if (path && !process.env.CONSILIUM_WORKER) setImmediate(() => void runProcess(run, path));
  return run;
}

/** The same for several entries in one program: `export const run = entries({ init, train, … })`. */
export function entries<Config = Readonly<Record<string, unknown>>>(
  works: Partial<Record<EntryName, EntryFunction<Config>>>,
  options: EntryOptions = {},
): Run {
  return entry<Config>((context) => {
    const work = works[context.task.entry];
    if (work === undefined) {
      throw new ConsiliumError('SDK_BAD_TASK', `This program has no ${context.task.entry}.`, {
        where: 'entry',
      });
    }
    return work(context);
  }, options);
}

async function runTask<Config>(
  task: TaskFile,
  work: EntryFunction<Config>,
  options: EntryOptions,
): Promise<void> {
  const sink = sinkFromEnvironment(process.env);
  const backend = await useBackend(task.accelerator ?? 'auto', {
    threads: task.threads,
    order: options.backends,
  });
  announce(backend, sink);
  const sent = new Set<string>();
  const context = createContext<Config>(task, backend, sink, sent);
  const random = createRng(task.seed).derive('Math.random');
  await inTensorScope(() => withSeededRandom(random, async () => work(context)));
  const due = required[task.entry];
  if (!sent.has(due)) throw new ConsiliumError('SDK_NO_OUTPUT', `The ${task.entry} program sent no ${due}.`);
}

function announce(backend: BackendChoice, sink: EventSink): void {
  const threads =
    backend.threads === undefined ? '' : `, ${backend.threads} thread${backend.threads > 1 ? 's' : ''}`;
  sink({ event: 'backend', name: backend.name, device: `${backend.device}${threads}` });
  for (const { name, reason } of backend.skipped) {
    process.stderr.write(`backend ${name} is not used: ${reason}\n`);
  }
}

/** Runs the task and ends the process: Dawn and libtensorflow would keep it alive. */
async function runProcess(run: Run, path: string): Promise<never> {
  try {
    await run(path);
    process.exit(0);
  } catch (thrown) {
    const error = asConsiliumError(thrown);
    const stack =
      thrown instanceof ConsiliumError ? '' : `${thrown instanceof Error ? thrown.stack : thrown}\n`;
    process.stderr.write(`${stack}${error.code}: ${error.message}\n  ${error.fix}\n`);
    process.exit(error.exit);
  }
}
