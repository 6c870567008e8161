import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ObjectStore, storeFromConfig } from '@consilium/platform';
import { patternBytes, sha256 } from '../support/bytes.js';
import { type StoreServerProcess, startStoreServerProcess, storeKey } from '../support/store-server.js';

const bucket = 'consilium-models';
const MiB = 1024 * 1024;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consilium-store-server-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function open(server: StoreServerProcess, deps = {}): Promise<ObjectStore> {
  const store = await storeFromConfig({ kind: 'filesystem', url: server.url, key: storeKey }, deps);
  await store.ensureBuckets([bucket]);
  return store;
}

/** Waits for what happens in another process. */
async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await holds()) return;
    await delay(20);
  }
  assert.fail(`never: ${what}`);
}

/** Sends the head and the first half of a signed PUT by hand, and leaves the connection open. */
async function halfPut(store: ObjectStore, key: string, bytes: Buffer) {
  const plan = await store.signPut(bucket, key, { size: bytes.byteLength, digest: sha256(bytes) }, 600);
  assert.ok(plan.kind === 'single');
  const url = new URL(plan.url);
  const socket = connect(Number(url.port), url.hostname);
  socket.on('error', () => {});
  const headers = Object.entries({ host: url.host, ...plan.headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
  socket.write(bytes.subarray(0, bytes.byteLength / 2));
  return socket;
}

async function bytesIn(path: string): Promise<number> {
  let total = 0;
  for (const name of await readdir(path)) total += (await readFile(join(path, name))).byteLength;
  return total;
}

test('kill -9 in the middle of a put leaves nothing visible, and the next start nothing at all', async () => {
  const root = join(folder, 'killed');
  const first = await startStoreServerProcess(root);
  const store = await open(first);
  const bytes = patternBytes(4 * MiB);
  const socket = await halfPut(store, 'trail/half', bytes);
  const temporary = join(root, '.consilium', 'tmp');
  await until('half of the object is on the disk', async () => (await bytesIn(temporary)) === 2 * MiB);
  await first.kill('SIGKILL');
  socket.destroy();
  assert.ok(!existsSync(join(root, bucket, 'trail', 'half')));
  await store.close();

  const second = await startStoreServerProcess(root);
  try {
    const again = await open(second);
    await assert.rejects(again.head(bucket, 'trail/half'), { code: 'STORE_NOT_FOUND' });
    for await (const entry of again.list(bucket)) assert.fail(entry.key);
    assert.deepEqual(await readdir(temporary), []);
    await again.put(bucket, 'trail/half', bytes, { writeOnce: true });
    assert.equal((await again.head(bucket, 'trail/half')).digest, sha256(bytes));
    await again.close();
  } finally {
    await second.kill();
  }
});

test('a client that goes away in the middle leaves nothing either', async () => {
  const root = join(folder, 'gone');
  const server = await startStoreServerProcess(root);
  try {
    const store = await open(server);
    const socket = await halfPut(store, 'half', patternBytes(4 * MiB));
    const temporary = join(root, '.consilium', 'tmp');
    await until('half of the object is on the disk', async () => (await bytesIn(temporary)) === 2 * MiB);
    socket.destroy();
    await until('the temporary file is gone', async () => (await readdir(temporary)).length === 0);
    assert.ok(!existsSync(join(root, bucket, 'half')));
    await store.close();
  } finally {
    await server.kill();
  }
});

test('an upload in parts goes on after a kill -9', async () => {
  const root = join(folder, 'parts');
  const deps = { multipartThreshold: 5 * MiB, partSize: 5 * MiB };
  const bytes = patternBytes(12 * MiB);
  const request = { size: bytes.byteLength, digest: sha256(bytes) };
  const first = await startStoreServerProcess(root);
  const store = await open(first, deps);
  const plan = await store.signPut(bucket, 'k', request, 600);
  assert.ok(plan.kind === 'multipart');
  const [one] = plan.parts;
  assert.ok(one);
  const sent = await fetch(one.url, { method: 'PUT', body: bytes.subarray(0, one.size) });
  assert.equal(sent.status, 200);
  await first.kill('SIGKILL');
  await store.close();

  const second = await startStoreServerProcess(root);
  try {
    const again = await open(second, deps);
    const rest = await again.signPut(bucket, 'k', { ...request, uploadId: plan.uploadId }, 600);
    assert.ok(rest.kind === 'multipart');
    assert.deepEqual(
      rest.parts.map((part) => part.done ?? false),
      [true, false, false],
    );
    for (const part of rest.parts.slice(1)) {
      const body = bytes.subarray(part.offset, part.offset + part.size);
      assert.equal((await fetch(part.url, { method: 'PUT', body })).status, 200);
    }
    const info = await again.completeUpload(bucket, 'k', { uploadId: plan.uploadId, ...request });
    assert.equal(info.digest, request.digest);
    assert.deepEqual(await readdir(join(root, '.consilium', 'uploads')), []);
    await again.close();
  } finally {
    await second.kill();
  }
});

test('the server ends when its parent does, and on SIGTERM, with exit code 0', async () => {
  const one = await startStoreServerProcess(join(folder, 'ends'));
  one.child.stdin?.end();
  assert.equal(await new Promise((resolve) => one.child.once('exit', resolve)), 0);
  const two = await startStoreServerProcess(join(folder, 'ends'));
  assert.equal(await two.kill('SIGTERM'), 0);

  // The real thing: a parent that is killed and can close nothing itself.
  const main = fileURLToPath(import.meta.resolve('@consilium/store-server/main'));
  const script = `
    const child = require('node:child_process').spawn(process.execPath,
      [process.argv[1], '--root', process.argv[2], '--die-with-parent'], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdout.on('data', () => console.log(child.pid));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['-e', script, main, join(folder, 'ends')], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, CONSILIUM_STORE_KEY: storeKey },
  });
  const pid = await new Promise<number>((resolve) =>
    parent.stdout.once('data', (text) => resolve(Number(text))),
  );
  parent.kill('SIGKILL');
  await until('the store server is gone', () => !isRunning(pid));
});

test('a folder has one server; a killed one does not block the next', async () => {
  const root = join(folder, 'one');
  const first = await startStoreServerProcess(root);
  await assert.rejects(startStoreServerProcess(root), /STORE_ROOT_IN_USE/);
  await first.kill('SIGKILL');
  const second = await startStoreServerProcess(root);
  await second.kill('SIGTERM');
  assert.ok(!existsSync(join(root, '.consilium', 'lock.json')));
});

test('a request without a signature, or with another key, gets nothing', async () => {
  const server = await startStoreServerProcess(join(folder, 'denied'));
  try {
    const store = await open(server);
    await store.put(bucket, 'x', Buffer.from('x'));
    for (const [method, path] of [
      ['GET', `/${bucket}/x`],
      ['GET', `/${bucket}?list=1`],
      ['DELETE', `/${bucket}/x`],
      ['PUT', `/${bucket}/y`],
      ['PUT', '/other-bucket'],
    ]) {
      const answer = await fetch(`${server.url}${path}`, { method: method as string });
      assert.equal(answer.status, 403, `${method} ${path}`);
      assert.equal(((await answer.json()) as { code: string }).code, 'STORE_DENIED');
    }
    const other = {
      kind: 'filesystem',
      url: server.url,
      key: 'another-key-that-is-long-enough-0123456789',
    } as const;
    const stranger = await storeFromConfig(other);
    await assert.rejects(stranger.head(bucket, 'x'), { code: 'STORE_DENIED' });
    await assert.rejects(stranger.delete(bucket, 'x'), { code: 'STORE_DENIED' });
    assert.equal((await store.head(bucket, 'x')).size, 1);
    await stranger.close();
    await store.close();
  } finally {
    await server.kill();
  }
});

test('wrong arguments end with one clear error and its exit code', async () => {
  const main = fileURLToPath(import.meta.resolve('@consilium/store-server/main'));
  const run = async (args: string[], key: string) => {
    const child = spawn(process.execPath, [main, ...args], { env: { CONSILIUM_STORE_KEY: key } });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += String(text);
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    const last = stderr.trim().split('\n').at(-1) ?? '';
    return [code, (JSON.parse(last) as { code: string }).code];
  };
  const root = join(folder, 'args');
  assert.deepEqual(await run([], storeKey), [2, 'USAGE']);
  assert.deepEqual(await run(['--root', root, '--port', 'x'], storeKey), [2, 'USAGE']);
  assert.deepEqual(await run(['--root', root, '--nonsense'], storeKey), [2, 'USAGE']);
  assert.deepEqual(await run(['--root', root], 'short'), [3, 'STORE_BAD_CONFIG']);
  assert.deepEqual(await run(['--root', root], ''), [3, 'STORE_BAD_CONFIG']);
});

test('a full disk is STORE_DISK_FULL, nothing half-written stays, and there is room again', {
  skip: needsMounts(),
}, async () => {
  const root = join(folder, 'full');
  await mkdir(root);
  // A file system of 8 MB that only the server's own mount namespace sees.
  const mount = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"';
  const server = await startStoreServerProcess(root, { prefix: ['unshare', '-rm', 'sh', '-c', mount, root] });
  try {
    const store = await open(server, { multipartThreshold: 5 * MiB, partSize: 5 * MiB });
    await store.put(bucket, 'kept', patternBytes(3 * MiB));
    for (let i = 0; i < 3; i++) {
      await assert.rejects(store.put(bucket, 'whole', patternBytes(5 * MiB)), { code: 'STORE_DISK_FULL' });
      await assert.rejects(store.put(bucket, 'parts', patternBytes(12 * MiB)), { code: 'STORE_DISK_FULL' });
    }
    const keys: string[] = [];
    for await (const entry of store.list(bucket)) keys.push(entry.key);
    assert.deepEqual(keys, ['kept']);
    await store.put(bucket, 'fits', patternBytes(4 * MiB));
    assert.equal((await store.head(bucket, 'kept')).digest, sha256(patternBytes(3 * MiB)));
    await store.close();
  } finally {
    await server.kill();
  }
});

test('the probe refuses an S3 that ignores If-None-Match', async () => {
  const stored = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      if (request.method === 'PUT') stored.set(path, Buffer.concat(chunks));
      if (request.method === 'DELETE') stored.delete(path);
      response.setHeader('etag', '"0"');
      response.writeHead(request.method === 'DELETE' ? 204 : 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = await storeFromConfig({ kind: 's3', endpoint, accessKey: 'a', secretKey: 's' });
  try {
    await assert.rejects(store.probe(bucket), { code: 'STORE_NO_CONDITIONAL_WRITES' });
    assert.equal(stored.size, 0, 'the throw-away object is removed');
  } finally {
    await store.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function needsMounts(): string | false {
  try {
    execFileSync('unshare', ['-rm', 'true'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs mount namespaces (unshare -rm)';
  }
}
