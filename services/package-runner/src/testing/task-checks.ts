import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import type { TaskDone, TaskFailed, TaskResult } from '../contract.js';
import { detectIsolation } from '../sandbox/detect.js';
import type { TaskLimits } from '../sandbox/limits.js';
import { processYaml, type TaskSetup, taskSetup } from './task-packages.js';

const machine = await detectIsolation();

/** Both kinds of isolation, and why one of them cannot be tested here. */
export const kinds = [
  { isolation: 'process', skip: process.platform === 'win32' ? 'needs a POSIX system' : false },
  {
    isolation: 'sandbox',
    skip: machine.isolation === 'bubblewrap' ? false : `needs bubblewrap: ${machine.detail}`,
  },
] as const;
export type Kind = (typeof kinds)[number]['isolation'];

/** Shell lines that write what a training must leave behind. */
export const leave =
  'cp "$CONSILIUM_WEIGHTS_IN" "$CONSILIUM_WEIGHTS_OUT"\necho \'{"num_examples": 7}\' > "$CONSILIUM_METADATA_OUT"\n';

/** A package whose training is this shell script. */
export function shellSetup(
  t: TestContext,
  script: string,
  isolation: Kind,
  limits: Partial<TaskLimits> = {},
): Promise<TaskSetup> {
  const files = { 'package.yaml': processYaml({ train: ['sh', 'train.sh'] }), 'train.sh': script };
  return taskSetup(t, files, { isolation, limits });
}

export function done(result: TaskResult): TaskDone {
  assert.ok(result.ok, `the task failed: ${result.ok ? '' : `${result.error.message}\n${result.logTail}`}`);
  return result;
}

export function failed(result: TaskResult): TaskFailed {
  assert.ok(!result.ok, 'the task should have failed');
  return result;
}

/** Every running `sleep 100x` with x in `numbers`; test files run side by side and use numbers of their own. */
export async function sleepers(numbers: string): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
  );
  return pids.filter((_, index) =>
    new RegExp(`^sleep 100[${numbers}] $`).test(lines[index]!.replaceAll('\0', ' ')),
  );
}
