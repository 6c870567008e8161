import { readFileSync } from 'node:fs';
import { ConsiliumError } from '@consilium/protocol/errors';

export const entryNames = ['init', 'train', 'validate', 'predict'] as const;
export type EntryName = (typeof entryNames)[number];

/** What a package program is asked to do: contract 1, the content of the file `CONSILIUM_TASK` names. */
export interface TaskFile {
  readonly contract: 1;
  readonly entry: EntryName;
  readonly session?: string;
  readonly round?: number;
  readonly site?: string;
  readonly package?: { readonly name: string; readonly version: string; readonly digest?: string | null };
  readonly config: Readonly<Record<string, unknown>>;
  /** The site's data, read-only. `init` has none. */
  readonly dataDir?: string | null;
  /** Private to this site and session, kept across rounds; never leaves the site. */
  readonly stateDir?: string;
  readonly tmpDir?: string;
  readonly seed: number;
  /** Files by part name: `weights`, others a strategy names; `input` for predict. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Files to write: `weights`, `metadata`, `metrics`, `predictions`. */
  readonly outputs: Readonly<Record<string, string>>;
  /** `none`, `optional`, `required`; by hand also the name of one backend. */
  readonly accelerator?: string;
  readonly threads?: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks a parsed task file. Unknown fields are allowed: a newer runner may say more.
 *
 * @throws ConsiliumError SDK_BAD_TASK naming the first field that is wrong
 */
export function parseTask(value: unknown, where: string): TaskFile {
  const bad = (detail: string): never => {
    throw new ConsiliumError('SDK_BAD_TASK', detail, { where });
  };
  if (!isRecord(value)) return bad('The file does not hold a JSON object.');
  if (value.contract !== 1) bad(`contract is ${JSON.stringify(value.contract)}, this sdk speaks 1.`);
  if (!entryNames.includes(value.entry as EntryName)) {
    bad(`entry is ${JSON.stringify(value.entry)}, not one of ${entryNames.join(', ')}.`);
  }
  if (!Number.isSafeInteger(value.seed)) bad(`seed is ${JSON.stringify(value.seed)}, not a whole number.`);
  if (!isRecord(value.config)) bad('config is not an object.');
  for (const field of ['inputs', 'outputs'] as const) {
    const files = value[field];
    if (!isRecord(files) || Object.values(files).some((path) => typeof path !== 'string')) {
      bad(`${field} is not an object of file paths.`);
    }
  }
  for (const field of ['dataDir', 'stateDir', 'tmpDir', 'accelerator', 'session', 'site'] as const) {
    const text = value[field];
    if (text !== undefined && text !== null && typeof text !== 'string') bad(`${field} is not text.`);
  }
  const threads = value.threads;
  if (threads !== undefined && !(Number.isSafeInteger(threads) && (threads as number) > 0)) {
    bad(`threads is ${JSON.stringify(threads)}, not a positive whole number.`);
  }
  return value as unknown as TaskFile;
}

/**
 * Reads and checks the task file.
 *
 * @throws ConsiliumError SDK_BAD_TASK when it cannot be read, parsed or understood
 */
export function readTaskFile(path: string): TaskFile {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConsiliumError('SDK_BAD_TASK', error instanceof Error ? error.message : String(error), {
      where: path,
      cause: error,
    });
  }
  return parseTask(value, path);
}
