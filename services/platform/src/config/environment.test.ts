import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { variableOf, withEnvironment } from './environment.js';
import { readServiceConfigWithEnvironment } from './service-config.js';
import { storeConfigSchema } from './store-schema.js';

const schema = z.strictObject({
  reducer: z.string().regex(/^[a-z0-9-]+$/, 'expected a name'),
  listen: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65_535).default(0) })
    .prefault({}),
  nats: z.strictObject({
    servers: z.array(z.string().min(1)).min(1),
    creds_file: z.string().optional(),
    outdated: z.boolean().default(false),
  }),
  store: storeConfigSchema,
  key_file: z.string().optional(),
});

const enough = {
  CONSILIUM_REDUCER: 'reducer-1',
  CONSILIUM_NATS__SERVERS: 'nats://a:4222, nats://b:4222',
  CONSILIUM_STORE__KIND: 's3',
  CONSILIUM_STORE__ENDPOINT: 'http://minio:9000',
  CONSILIUM_STORE__ACCESS_KEY: 'key',
  CONSILIUM_STORE__SECRET_KEY: 'secret',
};

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'consilium-env-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the environment alone is a whole configuration, defaults included', async () => {
  const config = await readServiceConfigWithEnvironment(schema, undefined, {
    ...enough,
    CONSILIUM_LISTEN__PORT: '8080',
    CONSILIUM_NATS__OUTDATED: 'yes',
    CONSILIUM_STORE__PUBLIC_ENDPOINT: 'https://x.example.org',
    CONSILIUM_STORE__FORCE_PATH_STYLE: 'true',
  });
  assert.deepEqual(config, {
    reducer: 'reducer-1',
    listen: { host: '127.0.0.1', port: 8080 },
    nats: { servers: ['nats://a:4222', 'nats://b:4222'], outdated: true },
    store: {
      kind: 's3',
      endpoint: 'http://minio:9000',
      publicEndpoint: 'https://x.example.org',
      accessKey: 'key',
      secretKey: 'secret',
      forcePathStyle: true,
    },
  });
});

test('a variable wins over the file, an empty one does not, and the rest of the file stays', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'reducer.json');
    const store = { kind: 's3', endpoint: 'http://file:9000', accessKey: 'a', secretKey: 'b' };
    await writeFile(file, JSON.stringify({ reducer: 'from-file', nats: { servers: ['nats://f'] }, store }));
    const config = await readServiceConfigWithEnvironment(schema, file, {
      CONSILIUM_REDUCER: '',
      CONSILIUM_STORE__ENDPOINT: 'http://env:9000',
    });
    assert.equal(config.reducer, 'from-file');
    assert.deepEqual(config.store, { ...store, endpoint: 'http://env:9000' });
  });
});

test('a secret is read from the file that its variable with _FILE names, without the line end', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'secret-key');
    await writeFile(file, 'from-a-file\n');
    const { CONSILIUM_STORE__SECRET_KEY: _, ...rest } = enough;
    const config = await readServiceConfigWithEnvironment(schema, undefined, {
      ...rest,
      CONSILIUM_STORE__SECRET_KEY_FILE: file,
    });
    assert.equal(config.store.kind === 's3' && config.store.secretKey, 'from-a-file');
  });
});

test('a key whose own name ends in _file keeps the path', async () => {
  const env = {
    ...enough,
    CONSILIUM_KEY_FILE: '/keys/reducer.nk',
    CONSILIUM_NATS__CREDS_FILE: '/keys/r.creds',
  };
  const config = await readServiceConfigWithEnvironment(schema, undefined, env);
  assert.equal(config.key_file, '/keys/reducer.nk');
  assert.equal(config.nats.creds_file, '/keys/r.creds');
});

test('a secret given twice is an error that names both variables', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'secret-key');
    await writeFile(file, 'x');
    const env = { ...enough, CONSILIUM_STORE__SECRET_KEY_FILE: file };
    await assert.rejects(withEnvironment(schema, undefined, env), {
      code: 'USAGE',
      detail: /CONSILIUM_STORE__SECRET_KEY and CONSILIUM_STORE__SECRET_KEY_FILE/,
    });
  });
});

test('a secret file that is not there is named with its variable', async () => {
  const env = { CONSILIUM_STORE__SECRET_KEY_FILE: '/nowhere/secret' };
  await assert.rejects(withEnvironment(schema, undefined, env), {
    code: 'BAD_REQUEST',
    where: 'environment variable CONSILIUM_STORE__SECRET_KEY_FILE',
    detail: /\/nowhere\/secret/,
  });
});

test('a misspelt nested variable is an error that lists what there is; others with the prefix are left alone', async () => {
  await assert.rejects(withEnvironment(schema, undefined, { CONSILIUM_NATS__SERVRS: 'nats://a' }), {
    code: 'USAGE',
    fix: /CONSILIUM_NATS__SERVERS/,
  });
  const foreign = { CONSILIUM_LOG_FORMAT: 'json', CONSILIUM_TOKEN: 'cat_x', CONSILIUM_OTHER__KEY: '1' };
  const { value } = await withEnvironment(schema, { reducer: 'a' }, foreign);
  assert.deepEqual(value, { reducer: 'a' });
});

test('a value that does not fit is blamed on the variable that it came from', async () => {
  const read = (more: Record<string, string>) =>
    readServiceConfigWithEnvironment(schema, undefined, { ...enough, ...more });
  const where = (name: string) => ({ code: 'BAD_REQUEST', where: `environment variable ${name}` });
  await assert.rejects(read({ CONSILIUM_LISTEN__PORT: 'http' }), where('CONSILIUM_LISTEN__PORT'));
  await assert.rejects(read({ CONSILIUM_LISTEN__PORT: '70000' }), where('CONSILIUM_LISTEN__PORT'));
  await assert.rejects(read({ CONSILIUM_NATS__OUTDATED: 'maybe' }), where('CONSILIUM_NATS__OUTDATED'));
  await assert.rejects(read({ CONSILIUM_REDUCER: 'No Name' }), where('CONSILIUM_REDUCER'));
});

test('a key that is nowhere is named, with how to set it', async () => {
  const { CONSILIUM_NATS__SERVERS: _, ...rest } = enough;
  await assert.rejects(readServiceConfigWithEnvironment(schema, undefined, rest), {
    code: 'BAD_REQUEST',
    where: /^environment, nats/,
  });
});

test('the given configuration is not changed', async () => {
  const base = { nats: { servers: ['nats://file'] } };
  await withEnvironment(schema, base, { CONSILIUM_NATS__SERVERS: 'nats://env' });
  assert.deepEqual(base, { nats: { servers: ['nats://file'] } });
});

test('words of camelCase are separated in a variable', () => {
  assert.equal(variableOf(['store', 'publicEndpoint']), 'CONSILIUM_STORE__PUBLIC_ENDPOINT');
  assert.equal(variableOf(['key_file']), 'CONSILIUM_KEY_FILE');
});
