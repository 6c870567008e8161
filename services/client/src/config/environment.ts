import { ConsiliumError, nearest } from '@consilium/protocol';
import { parse } from 'yaml';
import type { Layers } from './layers.js';
import { kindAt, valuePaths } from './schema-fields.js';

const PREFIX = 'CONSILIUM_';

/** Variables of other parts of the product that resemble a key. */
const elsewhere = new Set(['CONSILIUM_NATIVE']);

function variableOf(path: readonly string[]): string {
  return PREFIX + path.join('__').toUpperCase();
}

/**
 * Lays `CONSILIUM_<KEY>` (nested keys joined by `__`) over the file. Lists are separated by commas or
 * white space, or written as YAML (`[a, b]`). An empty variable counts as not set.
 *
 * @returns notices about variables that look like a mistyped key; others with this prefix belong to
 *   other programs.
 * @throws ConsiliumError CLIENT_BAD_CONFIG, CLIENT_UNKNOWN_KEY (below a map of ours)
 */
export function applyEnvironment(
  layers: Layers,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const known = new Map(valuePaths().map((path) => [variableOf(path), path]));
  const notices: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || text === undefined || text === '') continue;
    const path = known.get(name);
    if (name === 'CONSILIUM_TOKEN' && text.startsWith('cat_')) {
      // The command line reads people's API token from the same variable.
      notices.push('Environment variable CONSILIUM_TOKEN holds an API token (cat_…); a client needs none.');
      continue;
    }
    if (path !== undefined) {
      const origin = `environment variable ${name}`;
      layers.set(path, convert(path, text, origin), origin);
      continue;
    }
    const meant = nearest(name, [...known.keys()]);
    const [top = ''] = name.slice(PREFIX.length).toLowerCase().split('__');
    if (name.includes('__') && kindAt([top]) === 'map') {
      const hint = meant === undefined ? '' : ` Did you mean ${meant}?`;
      throw new ConsiliumError('CLIENT_UNKNOWN_KEY', `${name} names no key of client.yaml.${hint}`, {
        where: `environment variable ${name}`,
      });
    }
    if (meant !== undefined && !elsewhere.has(name)) {
      notices.push(`Environment variable ${name} names no key of client.yaml; did you mean ${meant}?`);
    }
  }
  return notices;
}

function convert(path: readonly string[], text: string, where: string): unknown {
  const kind = kindAt(path);
  if (kind === 'number') {
    const value = Number(text);
    if (text.trim() !== '' && !Number.isNaN(value)) return value;
    throw new ConsiliumError('CLIENT_BAD_CONFIG', `${path.join('.')}: expected a number, found "${text}".`, {
      where,
    });
  }
  if (kind === 'boolean') {
    if (/^(true|1|yes)$/i.test(text)) return true;
    if (/^(false|0|no)$/i.test(text)) return false;
    const detail = `${path.join('.')}: expected true or false, found "${text}".`;
    throw new ConsiliumError('CLIENT_BAD_CONFIG', detail, { where });
  }
  if (kind === 'list') {
    if (!text.trimStart().startsWith('[')) return text.split(/[\s,]+/).filter((item) => item !== '');
    try {
      return parse(text);
    } catch (cause) {
      const detail = `${path.join('.')}: expected a list such as "a,b" or "[a, b]".`;
      throw new ConsiliumError('CLIENT_BAD_CONFIG', detail, { where, cause });
    }
  }
  return text;
}
