import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  buildPackage,
  detectIsolation,
  findSdk,
  type RunOptions,
  resolveLimits,
  runnableFromFolder,
  runTask,
  type TaskRequest,
  type TaskResult,
  WarmWorkers,
} from '@consilium/package-runner';
import { nativeFolder } from '@consilium/protocol';

const yaml = `name: native
version: 1.0.0
runtime: node
sdk: ^0.1
worker: true
entry: { init: pack.ts }
resources: { memory: 4 GiB }
`;
const program = `import { entry, tf } from '@consilium/sdk';

export const run = entry(async (context) => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
  await context.sendModel(model, { metrics: { tensorflow: tf.getBackend() === 'tensorflow' ? 1 : 0 } });
});
`;

const machine = await detectIsolation();
const name = `-${process.platform}-${process.arch}`;
const installed = (() => {
  try {
    return readdirSync(nativeFolder()).some(
      (entry) => entry.startsWith('tfjs-node-4') && entry.endsWith(name),
    );
  } catch {
    return false;
  }
})();
const skip =
  machine.isolation !== 'bubblewrap'
    ? `needs bubblewrap: ${machine.detail}`
    : installed
      ? false
      : 'needs the native backend: make native';

describe('A sandboxed task, with a home folder of its own', { skip }, () => {
  let root = '';
  let options: RunOptions;
  const request = (): TaskRequest => ({
    entry: 'init',
    session: 'native',
    round: 0,
    site: 'local',
    config: {},
    stateDir: join(root, 'state'),
    seed: 1,
  });
  const wanted = process.env.CONSILIUM_BACKEND;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'consilium-native-'));
    const source = join(root, 'source');
    await mkdir(source);
    await writeFile(join(source, 'package.yaml'), yaml);
    await writeFile(join(source, 'pack.ts'), program);
    const { folder } = await buildPackage(source, join(root, 'built', 'package'));
    const pack = await runnableFromFolder(folder);
    options = {
      package: pack,
      workDir: join(root, 'work'),
      limits: { ...resolveLimits(pack), timeout: 120 },
      accelerator: 'none',
      sandbox: { isolation: 'sandbox', network: 'none' },
      sdk: await findSdk(import.meta.url),
    };
    process.env.CONSILIUM_BACKEND = 'tfjs-node';
  });
  after(async () => {
    if (wanted === undefined) delete process.env.CONSILIUM_BACKEND;
    else process.env.CONSILIUM_BACKEND = wanted;
    await rm(root, { recursive: true, force: true });
  });

  async function check(result: TaskResult): Promise<void> {
    assert.ok(result.ok, result.ok ? '' : `${result.error.message}\n${result.logTail}`);
    await result.remove();
    assert.deepEqual(
      [result.isolation, result.backend?.name, result.metrics.tensorflow],
      ['bubblewrap', 'tfjs-node', 1],
    );
  }

  test('computes with the native backend that is installed for the site', async () => {
    await check(await runTask(request(), options));
  });

  test('does so in a warm worker too', async () => {
    const workers = new WarmWorkers();
    try {
      const result = await workers.run(request(), options);
      await check(result);
      assert.equal(result.warm, true);
    } finally {
      await workers.close();
    }
  });
});
