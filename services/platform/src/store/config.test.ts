import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStoreUrl, storeFromConfig } from './config.js';

test('a store URL gives endpoint and credentials, with TLS except on loopback', () => {
  const cases: [string, string][] = [
    ['s3://key:secret@127.0.0.1:9000', 'http://127.0.0.1:9000'],
    ['s3://key:secret@localhost:9000?tls=true', 'https://localhost:9000'],
    ['s3://key:secret@minio.example:9000', 'https://minio.example:9000'],
    ['s3://key:secret@minio.example:443?tls=false', 'http://minio.example:443'],
    ['s3://key:secret@minio.example?tls=false', 'http://minio.example'],
    ['http://key:secret@minio.example:80', 'http://minio.example'],
    ['https://key:secret@minio.example/', 'https://minio.example'],
    ['s3://key:secret@[::1]:9000', 'http://[::1]:9000'],
  ];
  for (const [text, endpoint] of cases) {
    const config = parseStoreUrl(text, {});
    assert.deepEqual(
      [config.endpoint, config.accessKey, config.secretKey],
      [endpoint, 'key', 'secret'],
      text,
    );
  }
});

test('credentials and region may come from the AWS variables, and the URL goes before them', () => {
  const env = { AWS_ACCESS_KEY_ID: 'env-key', AWS_SECRET_ACCESS_KEY: 'env/secret', AWS_REGION: 'eu-north-1' };
  assert.deepEqual(parseStoreUrl('s3://minio:9000', env), {
    kind: 's3',
    endpoint: 'https://minio:9000',
    accessKey: 'env-key',
    secretKey: 'env/secret',
    region: 'eu-north-1',
  });
  const url = 's3://a%2Fb:c%40d@minio?region=r1&public=https://hub.example&path-style=false';
  assert.deepEqual(parseStoreUrl(url, env), {
    kind: 's3',
    endpoint: 'https://minio',
    publicEndpoint: 'https://hub.example',
    accessKey: 'a/b',
    secretKey: 'c@d',
    region: 'r1',
    forcePathStyle: false,
  });
});

test('a store URL that makes no sense is refused without showing the secret', () => {
  const bad: [string, string][] = [
    ['ftp://host', 'STORE_BAD_URL'],
    ['s3://', 'STORE_BAD_URL'],
    ['s3://key:hidden@host/bucket', 'STORE_BAD_URL'],
    ['s3://key:hidden@host?tsl=true', 'STORE_BAD_URL'],
    ['s3://key:hidden@host?tls=maybe', 'STORE_BAD_URL'],
    ['https://key:hidden@host?tls=true', 'STORE_BAD_URL'],
    ['s3://key:hidden@host:99999', 'STORE_BAD_URL'],
    ['s3://key:hidden@host?public=https://hub/store', 'STORE_BAD_URL'],
    ['s3://key:%zz@host', 'STORE_BAD_URL'],
    ['s3://host', 'STORE_BAD_CONFIG'],
    ['s3://key@host', 'STORE_BAD_CONFIG'],
  ];
  for (const [text, code] of bad) {
    assert.throws(
      () => parseStoreUrl(text, {}),
      (error: Error & { code: string }) => error.code === code && !error.message.includes('hidden'),
      text,
    );
  }
});

test('a store that cannot work is refused when it is opened', async () => {
  const key = 'k'.repeat(32);
  const bad: [Parameters<typeof storeFromConfig>, string][] = [
    [[{ kind: 'filesystem', url: 'http://127.0.0.1:1', key: 'short' }], 'STORE_BAD_CONFIG'],
    [[{ kind: 'filesystem', url: 'http://127.0.0.1:1/path', key }], 'STORE_BAD_URL'],
    [[{ kind: 'filesystem', url: 'http://127.0.0.1:1', publicUrl: 'hub', key }], 'STORE_BAD_URL'],
    [[{ kind: 'filesystem', url: 'http://127.0.0.1:1', key }, { partSize: 1 }], 'STORE_BAD_CONFIG'],
    [[{ kind: 's3', endpoint: 'http://h', accessKey: '', secretKey: 's' }], 'STORE_BAD_CONFIG'],
    [[{ kind: 's3', endpoint: 'minio:9000', accessKey: 'a', secretKey: 's' }], 'STORE_BAD_URL'],
  ];
  for (const [args, code] of bad) await assert.rejects(storeFromConfig(...args), { code });
});
