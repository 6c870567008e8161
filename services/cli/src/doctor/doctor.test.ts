import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { TaskResult } from '@consilium/package-runner';
import { ConsiliumError, clientConfigSchema } from '@consilium/protocol';
import { checkDisk, checkFolders, checkNode } from './machine.js';
import { checkNetwork, clockCheck } from './network.js';
import { checkTraining, trainingCheck } from './training.js';

describe('doctor', () => {
  test('wants Node 20.19 or newer', () => {
    assert.deepEqual(
      ['v18.20.0', 'v20.18.3', 'v20.19.0', 'v20.20.2', 'v22.0.0'].map((version) => checkNode(version).status),
      ['fail', 'fail', 'ok', 'ok', 'ok'],
    );
  });

  test('lets clocks differ by a few seconds, and allows for the cut-off second and the way', () => {
    const at = 1_800_000_000_000;
    assert.equal(clockCheck(at, at + 999, at + 999).status, 'ok');
    assert.match(clockCheck(at, at - 5_000, at + 1).detail, /agrees/);
    assert.equal(clockCheck(at, at + 20_000, at + 20_000).status, 'ok');
    assert.equal(clockCheck(at, at + 45_000, at + 45_000).status, 'warn');
    assert.match(clockCheck(at, at + 45_000, at + 45_000).detail, /44 s ahead of/);
    const behind = clockCheck(at, at - 400_000, at - 400_000);
    assert.deepEqual([behind.status, /400 s behind/.test(behind.detail)], ['fail', true]);
  });

  test('trains a little with the sdk that packages get here', async () => {
    const { status, detail } = await checkTraining({});
    assert.notEqual(status, 'fail', detail);
    assert.match(detail, /^backend \S+ on .*isolation \w+; loss [\d.]+ → 0\.00\d/);
  });

  describe('about a training', () => {
    const report = { isolation: 'process', durationMs: 1000, droppedEvents: 0, warm: false } as const;
    const done = (name: string, last: number, logTail = ''): TaskResult => ({
      ...report,
      ok: true,
      parts: {},
      metadata: {},
      metrics: { first: 1, last },
      backend: { name, device: 'cpu' },
      logTail,
      remove: async () => {},
    });

    test('says which better backends are not used, and why', () => {
      const log = 'noise\nbackend tfjs-node is not used: not installed (looked in /x)\n';
      const check = trainingCheck(done('wasm', 0, log));
      assert.equal(check.status, 'warn');
      assert.ok(check.detail.endsWith('Not used: tfjs-node: not installed'), check.detail);
      assert.equal(trainingCheck(done('tfjs-node', 0)).status, 'ok');
    });

    test('fails when nothing is learnt, or the task fails', () => {
      assert.equal(trainingCheck(done('tfjs-node', 1)).status, 'fail');
      assert.equal(trainingCheck(done('tfjs-node', Number.NaN)).status, 'fail');
      const error = new ConsiliumError('PKG_TASK_TIMEOUT', 'Too long.');
      assert.match(
        trainingCheck({ ...report, ok: false, error, logTail: '' }).detail,
        /PKG_TASK_TIMEOUT: Too long/,
      );
    });
  });

  const client = (more: object) =>
    clientConfigSchema.parse({ url: 'http://a.example', name: 'a', data: { path: '/', name: 'a' }, ...more });

  test('compares the free space with the cache that client.yaml allows', async () => {
    const state = join(tmpdir(), 'not', 'there', 'yet');
    assert.equal(
      (await checkDisk({ client: client({ state, cache_size: '900000000 GiB' }) })).status,
      'warn',
    );
    assert.notEqual((await checkDisk({ client: client({ state, cache_size: '1 MB' }) })).detail, '');
  });

  test('fails for a folder that cannot be made', async () => {
    assert.equal(
      (await checkFolders({ client: client({ state: join(process.execPath, 'state') }) })).status,
      'fail',
    );
  });

  test('says that no reducer is known, and what to do', async () => {
    const [check] = await checkNetwork({});
    assert.deepEqual([check?.name, check?.status, /login/.test(check?.fix ?? '')], ['reducer', 'warn', true]);
  });

  test('fails for a proxy that is no address, before anything is sent', async () => {
    const checks = await checkNetwork({ url: 'http://a.example', client: client({ proxy: 'socks5://p:1' }) });
    assert.deepEqual(
      checks.map(({ name, status }) => [name, status]),
      [['proxy', 'fail']],
    );
  });

  test('fails when another server than a reducer answers', async (t) => {
    const server = createServer((_, response) => response.end('{"hello":1}')).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await new Promise((done) => server.once('listening', done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const [, reducer, ...rest] = await checkNetwork({ url });
    assert.deepEqual(
      [reducer?.status, /CLI_BAD_ANSWER/.test(reducer?.detail ?? ''), rest.length],
      ['fail', true, 0],
    );
  });
});
