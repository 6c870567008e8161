import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Test support: a Python that has NumPy. `scripts/numpy-venv.sh` makes one. */
export interface NumPy {
  readonly python: string;
  readonly mlDtypes: boolean;
}

/** CONSILIUM_PYTHON, the environment in the cache, or python3, whichever first imports NumPy; else why not. */
export function findNumPy(): NumPy | string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const venv = join(cache, 'consilium', 'py-numpy', 'bin', 'python');
  const asked = process.env.CONSILIUM_PYTHON;
  const candidates = asked ? [asked] : [...(existsSync(venv) ? [venv] : []), 'python3'];
  for (const python of candidates) {
    if (spawnSync(python, ['-c', 'import numpy']).status !== 0) continue;
    return { python, mlDtypes: spawnSync(python, ['-c', 'import ml_dtypes']).status === 0 };
  }
  return `needs Python with NumPy (none at ${candidates.join(', ')}; run scripts/numpy-venv.sh)`;
}

/** Runs a script; its standard output is one JSON value. */
export async function runPython(python: string, script: string, ...args: string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(python, ['-c', script, ...args], { maxBuffer: 2 ** 28 });
  return JSON.parse(stdout);
}
