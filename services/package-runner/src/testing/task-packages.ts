import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { buildPackage } from '../build.js';
import type { TaskRequest } from '../contract.js';
import type { RunOptions } from '../preparation.js';
import { runnableFromFolder } from '../runnable.js';
import type { IsolationDemand } from '../sandbox/detect.js';
import { resolveLimits, type TaskLimits } from '../sandbox/limits.js';
import { temporaryFolder, writeFiles } from './folders.js';

export interface TaskSetup {
  readonly root: string;
  readonly request: TaskRequest;
  readonly options: RunOptions;
}

/** Runs programs of any language: `{ train: ['sh', 'train.sh'] }`. */
export function processYaml(entry: Readonly<Record<string, readonly string[]>>, more = ''): string {
  return `name: demo\nversion: 1.0.0\nruntime: process\nentry: ${JSON.stringify(entry)}\n${more}`;
}

export function nodeYaml(entry: Readonly<Record<string, string>>, more = ''): string {
  return `name: demo\nversion: 1.0.0\nruntime: node\nsdk: ^0.1\nentry: ${JSON.stringify(entry)}\n${more}`;
}

/** A built package, data, a model and an sdk of one line, all in a temporary folder. */
export async function taskSetup(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  options: { isolation?: IsolationDemand; limits?: Partial<TaskLimits> } = {},
): Promise<TaskSetup> {
  const root = await temporaryFolder(t);
  const source = await writeFiles(join(root, 'source'), files);
  const { folder } = await buildPackage(source, join(root, 'built', 'package'));
  const sdkFolder = await writeFiles(join(root, 'sdk'), {
    'package.json': '{"name":"@consilium/sdk","version":"0.1.0","type":"module","exports":"./index.js"}',
    'index.js': "export const greeting = 'hello from the sdk';",
  });
  await writeFiles(join(root, 'data'), { 'patients.csv': 'id,age\n1,50\n' });
  await mkdir(join(root, 'models'));
  await writeFile(join(root, 'models', 'base.npz'), 'weights');
  const pack = await runnableFromFolder(folder);
  return {
    root,
    request: {
      entry: 'train',
      session: 'quiet-otter',
      round: 3,
      site: 'hospital-a',
      config: { epochs: 2 },
      dataDir: join(root, 'data'),
      stateDir: join(root, 'state'),
      seed: 42,
      inputs: { weights: join(root, 'models', 'base.npz') },
    },
    options: {
      package: pack,
      workDir: join(root, 'work'),
      limits: { ...resolveLimits(pack), timeout: 60, ...options.limits },
      accelerator: 'none',
      sandbox: { isolation: options.isolation ?? 'any', network: 'none' },
      // What is installed on this machine must not change what a test sees.
      env: { CONSILIUM_NATIVE: join(root, 'native') },
      sdk: { folder: sdkFolder, version: '0.1.0', readOnly: [sdkFolder] },
      graceMs: 300,
      watchMs: 50,
    },
  };
}
