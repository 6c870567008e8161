import { readFile } from 'node:fs/promises';
import { ConsiliumError } from '@consilium/protocol';
import type { z } from 'zod';
import { type Field, fieldsOf } from './fields.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Overlaid {
  /** The configuration with the variables over it; not checked yet. */
  readonly value: unknown;
  /** Key (`nats.servers`) to the variable that it came from. */
  readonly origins: ReadonlyMap<string, string>;
}

const prefix = 'CONSILIUM_';
const fileSuffix = '_FILE';

/** The variable of a key: `store.publicEndpoint` is `CONSILIUM_STORE__PUBLIC_ENDPOINT`. */
export function variableOf(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase());
  return prefix + words.join('__');
}

/**
 * Lays `CONSILIUM_<KEY>` over a configuration. Lists are separated by commas or white space; an empty variable
 * counts as not set. A variable that names no key, but does without its ending `_FILE`, gives the path of a file
 * that holds the value (a secret); a key whose own name ends so is meant itself.
 *
 * @param base what the configuration file holds, or nothing
 * @throws ConsiliumError USAGE (a nested variable that names no key, a variable and its `_FILE` at once),
 *   BAD_REQUEST (no number, no file)
 */
export async function withEnvironment(schema: z.ZodType, base: unknown, env: Environment): Promise<Overlaid> {
  const known = new Map(fieldsOf(schema).map((field) => [variableOf(field.path), field]));
  const value = structuredClone(base ?? {});
  const origins = new Map<string, string>();
  for (const [name, text] of Object.entries(env).sort()) {
    if (!name.startsWith(prefix) || text === undefined || text === '') continue;
    const field = known.get(name);
    const plain = name.endsWith(fileSuffix) ? name.slice(0, -fileSuffix.length) : '';
    const secret = field === undefined ? known.get(plain) : undefined;
    const target = field ?? secret;
    if (target === undefined) {
      requireForeign(name, [...known.keys()]);
      continue;
    }
    const key = target.path.join('.');
    const other = origins.get(key);
    if (other !== undefined) {
      throw new ConsiliumError('USAGE', `${other} and ${name} both set ${key}.`, {
        where: 'environment',
        fix: 'Keep one of the two.',
      });
    }
    const found = secret === undefined ? text : await contentOf(text, name);
    put(value, target.path, convert(target, found, name));
    origins.set(key, name);
  }
  return { value, origins };
}

/** Variables of other programs share the prefix; one that goes below a map of ours can only be a mistake. */
function requireForeign(name: string, known: readonly string[]): void {
  const [top = '', ...rest] = name.split('__');
  if (rest.length === 0 || !known.some((variable) => variable.startsWith(`${top}__`))) return;
  const siblings = known.filter((variable) => variable.startsWith(`${top}__`)).sort();
  throw new ConsiliumError('USAGE', `${name} names no key of the configuration.`, {
    where: 'environment',
    fix: `Use one of ${siblings.join(', ')}.`,
  });
}

async function contentOf(path: string, name: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trimEnd();
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ConsiliumError('BAD_REQUEST', `${detail}.`, {
      where: `environment variable ${name}`,
      fix: 'It gives the path of a file with the value.',
      cause,
    });
  }
}

function convert({ kind, path }: Field, text: string, name: string): unknown {
  const key = path.join('.');
  const where = `environment variable ${name}`;
  if (kind === 'list') return text.split(/[\s,]+/).filter((item) => item !== '');
  if (kind === 'number') {
    const number = Number(text);
    if (text.trim() !== '' && Number.isFinite(number)) return number;
    throw new ConsiliumError('BAD_REQUEST', `${key}: expected a number, found "${text}".`, { where });
  }
  if (kind === 'boolean') {
    if (/^(true|1|yes)$/i.test(text)) return true;
    if (/^(false|0|no)$/i.test(text)) return false;
    throw new ConsiliumError('BAD_REQUEST', `${key}: expected true or false, found "${text}".`, { where });
  }
  return text;
}

function put(root: unknown, path: readonly string[], value: unknown): void {
  let at = root as Record<string, unknown>;
  // A file that is no map is left to the schema, which says so.
  if (!isMap(at)) return;
  for (const key of path.slice(0, -1)) {
    const next = at[key];
    if (isMap(next)) at = next;
    else {
      const made: Record<string, unknown> = {};
      at[key] = made;
      at = made;
    }
  }
  at[path.at(-1)!] = value;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
