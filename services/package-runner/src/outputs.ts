import { lstat, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';
import type { TaskFile } from './contract.js';

const largestJson = 2 ** 20;

export interface Outputs {
  readonly parts: Readonly<Record<string, string>>;
  readonly predictions?: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly numExamples?: number;
}

/**
 * Takes what a task has written out of the reach of its process, and checks it.
 * Only regular files count: a link would let a package send a file of the site's as its result.
 *
 * @param folder where the files are moved to.
 * @throws ConsiliumError PKG_OUTPUT_MISSING, PKG_OUTPUT_INVALID
 */
export async function takeOutputs(task: TaskFile, outFolder: string, folder: string): Promise<Outputs> {
  const out = await lstat(outFolder).catch(() => undefined);
  if (out?.isDirectory() !== true) throw missing('the output folder', 'It was removed or replaced.');
  await mkdir(folder, { recursive: true });
  const taken = new Map<string, string>();
  for (const [name, path] of Object.entries(task.outputs)) {
    const target = join(folder, path.slice(outFolder.length + 1));
    const moved = await rename(path, target).then(
      () => true,
      () => false,
    );
    if (!moved) continue;
    const stat = await lstat(target);
    if (!stat.isFile()) throw invalid(name, 'It is no regular file.');
    taken.set(name, target);
  }
  const parts = Object.fromEntries(partNames(task).map((name) => [name, required(taken, name)]));
  for (const [name, path] of Object.entries(parts)) {
    if ((await lstat(path)).size === 0) throw invalid(name, 'It is empty.');
  }
  const metadata = await readObject(taken, 'metadata', task.entry === 'train');
  const { num_examples: seen, ...metrics } = await readMetrics(taken, task.entry === 'validate');
  const numExamples = examples(task, metadata.num_examples, seen);
  return {
    parts,
    ...(task.entry === 'predict' ? { predictions: await requirePredictions(taken) } : {}),
    metadata,
    metrics,
    ...(numExamples === undefined ? {} : { numExamples }),
  };
}

const notParts = new Set(['metadata', 'metrics', 'predictions']);

function partNames(task: TaskFile): string[] {
  return Object.keys(task.outputs).filter((name) => !notParts.has(name));
}

function required(taken: ReadonlyMap<string, string>, name: string): string {
  const path = taken.get(name);
  if (path === undefined) throw missing(name, 'It is not there.');
  return path;
}

async function requirePredictions(taken: ReadonlyMap<string, string>): Promise<string> {
  const path = required(taken, 'predictions');
  try {
    parseJson(await readFile(path, 'utf8'));
  } catch (error) {
    throw invalid('predictions', `${(error as Error).message}.`);
  }
  return path;
}

async function readObject(
  taken: ReadonlyMap<string, string>,
  name: string,
  needed: boolean,
): Promise<Record<string, unknown>> {
  const path = taken.get(name);
  if (path === undefined) {
    if (needed) throw missing(name, 'It is not there.');
    return {};
  }
  const { size } = await lstat(path);
  if (size > largestJson) throw invalid(name, `It has ${size} bytes; at most ${largestJson} are allowed.`);
  let value: unknown;
  try {
    value = parseJson(await readFile(path, 'utf8'));
  } catch (error) {
    throw invalid(name, `${(error as Error).message}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(name, 'It is no JSON object.');
  return value as Record<string, unknown>;
}

async function readMetrics(
  taken: ReadonlyMap<string, string>,
  needed: boolean,
): Promise<Record<string, number>> {
  const metrics = await readObject(taken, 'metrics', needed);
  for (const [key, value] of Object.entries(metrics)) {
    if (typeof value !== 'number')
      throw invalid(
        'metrics',
        `"${key.slice(0, 100)}" is no number: ${JSON.stringify(value)?.slice(0, 100)}.`,
      );
    if (key === '' || key.length > 100)
      throw invalid('metrics', `A name has ${key.length} characters; 1 to 100 are allowed.`);
  }
  return metrics as Record<string, number>;
}

function examples(task: TaskFile, trained: unknown, seen: unknown): number | undefined {
  if (task.entry !== 'train' && task.entry !== 'validate') return undefined;
  const [name, value] = task.entry === 'train' ? ['metadata', trained] : ['metrics', seen];
  if (value === undefined) throw invalid(name, 'It has no "num_examples".');
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    throw invalid(name, `"num_examples" is ${JSON.stringify(value)}; expected a whole number above 0.`);
  }
  return value;
}

/**
 * JSON, and the NaN, Infinity and -Infinity that Python's `json` writes.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  const values: Readonly<Record<string, number>> = {
    NaN: Number.NaN,
    Infinity: Number.POSITIVE_INFINITY,
    '-Infinity': Number.NEGATIVE_INFINITY,
  };
  let found = false;
  // Strings are matched first, so that a word inside one stays what it is.
  const mark = '\u0000consilium:';
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (token) => {
    if (token.startsWith('"')) return token;
    found = true;
    return `"\\u0000consilium:${token}"`;
  });
  if (!found) return JSON.parse(text);
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(mark) ? (values[value.slice(mark.length)] ?? value) : value,
  );
}

function missing(name: string, detail: string): ConsiliumError {
  return new ConsiliumError('PKG_OUTPUT_MISSING', detail, { where: `outputs.${name}` });
}

function invalid(name: string, detail: string): ConsiliumError {
  return new ConsiliumError('PKG_OUTPUT_INVALID', detail, { where: `outputs.${name}` });
}
