import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLogger } from '../log/index.js';
import { findNatsServer } from './find.js';

const log = createLogger({ service: 'test', level: 'silent', pretty: false });
let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'consilium-find-'));
});
after(() => rm(dir, { recursive: true }));

/** A program that says it is this version. */
async function binary(path: string, version: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  await chmod(path, 0o755);
}

async function folder(name: string): Promise<string> {
  const path = join(dir, name);
  await mkdir(path, { recursive: true });
  return path;
}

test('the one on the PATH is taken first', async () => {
  const [path, cacheDir] = [await folder('bin'), await folder('cache')];
  await binary(join(path, 'nats-server'), '2.11.4');
  await binary(join(cacheDir, 'nats-server-2.15.2'), '2.15.2');
  const found = await findNatsServer({ log, path, cacheDir, ways: [] });
  assert.deepEqual(found, { path: join(path, 'nats-server'), version: '2.11.4', origin: 'path' });
});

test('one that is too old or does not run is passed over; from the cache the newest is taken', async () => {
  const [path, cacheDir] = [await folder('old'), await folder('cache2')];
  await binary(join(path, 'nats-server'), '2.8.4');
  await binary(join(cacheDir, 'nats-server-2.9.10'), '2.9.10');
  await binary(join(cacheDir, 'nats-server-2.14.0'), '2.14.0');
  await writeFile(join(cacheDir, 'nats-server-2.99.0'), 'damaged', { mode: 0o755 });
  const found = await findNatsServer({ log, path, cacheDir, ways: [] });
  assert.deepEqual(found, { path: join(cacheDir, 'nats-server-2.14.0'), version: '2.14.0', origin: 'cache' });
});

test('a binary that is named is taken whatever its file is called, and nothing in its place', async () => {
  const [given, cacheDir] = [join(await folder('given'), 'nats-2.9'), await folder('cache4')];
  await binary(join(cacheDir, 'nats-server-2.15.2'), '2.15.2');
  await binary(given, '2.9.10');
  const found = await findNatsServer({ log, file: given, cacheDir });
  assert.deepEqual(found, { path: given, version: '2.9.10', origin: 'path' });

  await binary(given, '2.8.4');
  const refused = findNatsServer({ log, file: given, cacheDir });
  await assert.rejects(refused, { code: 'UP_NO_NATS', where: given, detail: /2\.9\.0 or newer/ });
});

test('when nothing works the error says why each way failed', async () => {
  const saved = process.env.PATH;
  process.env.PATH = await folder('empty');
  try {
    const failed = findNatsServer({ log, cacheDir: await folder('cache3'), ways: ['debian', 'go'] });
    await assert.rejects(failed, { code: 'UP_NO_NATS', detail: /debian: .*apt-get.*; go: .*go/ });
  } finally {
    process.env.PATH = saved;
  }
});
