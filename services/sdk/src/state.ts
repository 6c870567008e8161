import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConsiliumError } from '@consilium/protocol/errors';
import { type NamedArrays, readArrays, writeArrays } from './npz.js';

/**
 * What a package keeps at its site between the rounds of a session: a persisted split, an optimiser, layers
 * that are never shared. It never leaves the site. Each write replaces the file as a whole, so that a
 * killed task leaves the old content.
 */
export interface State {
  readonly folder: string;
  has(name: string): boolean;
  /** Content of `<name>.json`, or `undefined` when there is none yet. */
  readJson<T>(name: string): T | undefined;
  writeJson(name: string, value: unknown): void;
  /** Content of `<name>.npz`, or `undefined` when there is none yet. */
  readArrays(name: string): Promise<NamedArrays | undefined>;
  writeArrays(name: string, arrays: NamedArrays): Promise<void>;
}

/** Opens a state folder; makes it when it is not there. */
export function openState(folder: string): State {
  mkdirSync(folder, { recursive: true });
  const pathOf = (name: string, ending: string): string => {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
      throw new ConsiliumError('SDK_BAD_TASK', `"${name}" is no name for a piece of state.`, {
        fix: 'Use letters, digits, dot, dash and underscore.',
      });
    }
    return join(folder, name + ending);
  };
  return {
    folder,
    has: (name) => existsSync(pathOf(name, '.json')) || existsSync(pathOf(name, '.npz')),
    readJson: <T>(name: string) => {
      const path = pathOf(name, '.json');
      return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
    },
    writeJson: (name, value) => {
      const path = pathOf(name, '.json');
      writeFileSync(`${path}.part`, JSON.stringify(value));
      renameSync(`${path}.part`, path);
    },
    readArrays: async (name) => {
      const path = pathOf(name, '.npz');
      return existsSync(path) ? readArrays(path) : undefined;
    },
    writeArrays: async (name, arrays) => {
      const path = pathOf(name, '.npz');
      await writeArrays(`${path}.part`, arrays);
      renameSync(`${path}.part`, path);
    },
  };
}
