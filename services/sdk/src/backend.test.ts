import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { nativeFolder } from '@consilium/protocol/folders';
import { candidatesFor, useBackend } from './backend.js';
import { findPackage } from './backend-packages.js';
import * as tf from './tf.js';

describe('The choice of a backend', () => {
  test('tries the best first and bounds the choice to what the task allows', () => {
    const env = {};
    assert.deepEqual(candidatesFor('auto', { env }), ['tfjs-node-gpu', 'webgpu', 'tfjs-node', 'wasm', 'cpu']);
    assert.deepEqual(candidatesFor('required', { env }), ['tfjs-node-gpu', 'webgpu']);
    assert.deepEqual(candidatesFor('none', { env }), ['tfjs-node', 'wasm', 'cpu']);
    assert.deepEqual(candidatesFor('wasm', { env }), ['wasm']);
  });

  test("follows a package's order within that", () => {
    assert.deepEqual(candidatesFor('none', { env: {}, order: ['webgpu', 'wasm'] }), [
      'wasm',
      'tfjs-node',
      'cpu',
    ]);
  });

  test('is forced by the environment, and a name that is none is refused', () => {
    assert.deepEqual(candidatesFor('auto', { env: { CONSILIUM_BACKEND: 'cpu' } }), ['cpu']);
    assert.throws(() => candidatesFor('cuda', { env: {} }), { code: 'SDK_BACKEND_UNKNOWN' });
    assert.throws(() => candidatesFor('auto', { env: { CONSILIUM_BACKEND: 'toString' } }), {
      code: 'SDK_BACKEND_UNKNOWN',
      where: 'environment CONSILIUM_BACKEND',
    });
  });

  test('says why better ones are not used', async () => {
    const native = process.env.CONSILIUM_NATIVE;
    process.env.CONSILIUM_NATIVE = '/nowhere';
    try {
      const { name, skipped } = await useBackend('auto', { env: {} });
      assert.equal(name, 'wasm');
      assert.deepEqual(
        skipped.map((better) => better.name),
        ['tfjs-node-gpu', 'webgpu', 'tfjs-node'],
      );
      for (const { reason } of skipped) assert.match(reason, /not installed.*\/nowhere/);
    } finally {
      if (native === undefined) delete process.env.CONSILIUM_NATIVE;
      else process.env.CONSILIUM_NATIVE = native;
    }
  });

  test('fails with every reason when nothing that was asked for is there', async () => {
    const native = process.env.CONSILIUM_NATIVE;
    process.env.CONSILIUM_NATIVE = '/nowhere';
    try {
      await assert.rejects(
        useBackend('required', { env: {} }),
        /tfjs-node-gpu: .*not installed.*; webgpu: .*not installed/,
      );
    } finally {
      if (native === undefined) delete process.env.CONSILIUM_NATIVE;
      else process.env.CONSILIUM_NATIVE = native;
    }
  });

  test('looks in CONSILIUM_NATIVE, else in the user’s cache', () => {
    assert.equal(nativeFolder({ CONSILIUM_NATIVE: '/a' }), '/a');
    assert.equal(nativeFolder({ XDG_CACHE_HOME: '/c' }), '/c/consilium/native');
    assert.equal(typeof findPackage(['no-such-package'], 'none', { env: {} }), 'string');
  });
});

const script = `
import { useBackend } from ${JSON.stringify(new URL('./backend.js', import.meta.url).href)};
await useBackend('wasm', { env: {} });
console.log(process.listenerCount('unhandledRejection'), process.listenerCount('uncaughtException'));
`;

describe('The wasm backend', () => {
  test('runs with chained operations', async () => {
    await useBackend('wasm', { env: {} });
    const value = tf.tidy(
      () =>
        tf
          .tensor1d([-1, 2, 3])
          .relu()
          .mul(2)
          .concat(tf.tensor1d([1]))
          .sum()
          .dataSync()[0],
    );
    assert.equal(value, 11);
  });

  test('leaves the handling of unhandled errors to Node', async () => {
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    assert.equal(ended.stdout.trim(), '0 0');
  });
});
