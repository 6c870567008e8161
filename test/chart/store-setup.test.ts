import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { storeFromConfig } from '@consilium/platform';
import { buckets } from '@consilium/protocol';
import { freePort } from '../support/free-port.js';
import { needsS3Server, startS3Server } from '../support/s3-servers.js';
import { find, type Manifest, noHelm, podsOf, render, repository } from './chart.js';

/** Runs the job that makes the buckets as its pod does; the product is this checkout in place of the image's. */
function setUp(store: { endpoint: string; accessKey: string; secretKey: string }, patience: number) {
  const folder = mkdtempSync(join(tmpdir(), 'consilium-store-setup-'));
  try {
    const manifests = render();
    const script = join(folder, 'store-setup.mjs');
    const { data } = find(manifests, 'ConfigMap', 'alliance-reducer-store-setup');
    writeFileSync(script, data['store-setup.mjs']);
    writeFileSync(join(folder, 'access-key'), `${store.accessKey}\n`);
    writeFileSync(join(folder, 'secret-key'), `${store.secretKey}\n`);
    const pod = podsOf(manifests).find(({ of }) => of === 'Job/alliance-reducer-store-setup')!;
    const env: Record<string, string> = {
      CONSILIUM_HOME: repository,
      STORE_PATIENCE_SECONDS: String(patience),
    };
    for (const { name, value } of pod.spec.containers[0].env as Manifest[]) {
      env[name] = String(value).replace('/etc/consilium-store', folder);
    }
    env.CONSILIUM_STORE__ENDPOINT = store.endpoint;
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' });
    return { status, stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the job that makes the buckets', { skip: noHelm || needsS3Server('minio') }, () => {
  test('makes them once, says so again when they are there, and is refused with other keys', async () => {
    const store = await startS3Server('minio');
    try {
      for (const _ of [1, 2]) {
        const { status, stdout, stderr } = setUp(store, 10);
        assert.equal(status, 0, stderr);
        assert.match(stdout, /consilium-models, consilium-packages, consilium-work are there/);
      }
      const { accessKey, secretKey, endpoint } = store;
      const adapter = await storeFromConfig({ kind: 's3', endpoint, accessKey, secretKey });
      await adapter.put(buckets.models, 'heads/one.json', Buffer.from('{}'));
      await adapter.close();
      const { status, stderr } = setUp({ ...store, secretKey: 'another-secret' }, 10);
      assert.equal(status, 1);
      assert.match(stderr, /error: STORE_DENIED/);
    } finally {
      await store.stop();
    }
  });

  test('waits for a store that is not up yet, and not for ever', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const { status, stdout, stderr } = setUp({ endpoint, accessKey: 'key', secretKey: 'secret-secret' }, 1);
    assert.equal(status, 1);
    assert.match(stdout, /does not answer yet/);
    assert.match(stderr, /error: STORE_UNAVAILABLE/);
  });
});
