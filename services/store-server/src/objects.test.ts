import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { digestOf } from '@consilium/platform/store';
import { listObjects } from './listing.js';
import { Objects } from './objects.js';
import { StoreRoot } from './root.js';
import { Uploads } from './uploads.js';

let folder: string;
let root: StoreRoot;
let objects: Objects;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consilium-objects-'));
  root = await StoreRoot.open(join(folder, 'root'));
  await root.createBucket('bucket');
  objects = new Objects(root);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function* body(text: string): AsyncGenerator<Uint8Array, void> {
  yield Buffer.from(text);
}

const put = (key: string, text: string, options: { once?: boolean; ifMatch?: string } = {}) =>
  objects.put({ bucket: 'bucket', key, size: text.length, once: false, ...options }, body(text));

test('an object is a plain file under its key', async () => {
  await put('trail/s/1/manifest.json', '{}');
  assert.equal(await readFile(join(root.path, 'bucket/trail/s/1/manifest.json'), 'utf8'), '{}');
  assert.deepEqual(await readdir(root.private('tmp')), []);
});

test('no name leads out of the bucket', async () => {
  await writeFile(join(folder, 'outside'), 'secret');
  for (const key of ['../../outside', '..', 'a/../../x', '/etc/passwd', 'a\0', 'x'.repeat(300), 'a//b', '']) {
    for (const attempt of [put(key, 'x'), objects.head('bucket', key), objects.delete('bucket', key)]) {
      await assert.rejects(attempt, { code: 'STORE_BAD_NAME' }, key);
    }
  }
  for (const bucket of ['..', '.consilium', 'UP', 'a/b']) {
    await assert.rejects(objects.head(bucket, 'x'), { code: 'STORE_BAD_NAME' }, bucket);
    await assert.rejects(root.createBucket(bucket), { code: 'STORE_BAD_NAME' }, bucket);
  }
  assert.equal(await readFile(join(folder, 'outside'), 'utf8'), 'secret');
});

test('symbolic links are neither read, written through, listed nor deleted', async () => {
  const outside = join(folder, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'file'), 'secret');
  await symlink(outside, join(root.path, 'bucket', 'folder'));
  await symlink(join(outside, 'file'), join(root.path, 'bucket', 'file'));
  await symlink(outside, join(root.path, 'linked-bucket'));
  for (const key of ['folder/file', 'file']) {
    for (const attempt of [objects.head('bucket', key), put(key, 'x'), objects.delete('bucket', key)]) {
      await assert.rejects(attempt, { code: 'STORE_BAD_NAME' }, key);
    }
  }
  await assert.rejects(put('folder/new', 'x'), { code: 'STORE_BAD_NAME' });
  await assert.rejects(objects.head('linked-bucket', 'file'), { code: 'STORE_BAD_NAME' });
  assert.deepEqual((await listObjects(root, 'bucket', { prefix: '', limit: 10 })).objects, []);
  assert.deepEqual(await readdir(outside), ['file']);
  assert.equal(await readFile(join(outside, 'file'), 'utf8'), 'secret');
});

test('a key that needs an object as a folder is refused, either way round', async () => {
  await put('a', '1');
  await put('b/c', '1');
  await assert.rejects(put('a/b', '2'), { code: 'STORE_BAD_NAME' });
  await assert.rejects(put('b', '2'), { code: 'STORE_BAD_NAME' });
  await assert.rejects(objects.head('bucket', 'b'), { code: 'STORE_NOT_FOUND' });
});

test('digests are right after the sidecars are lost, damaged or outdated', async () => {
  const first = await put('x.json', 'one');
  const expected = digestOf(Buffer.from('one'));
  assert.equal(first.digest, expected);
  const meta = root.private('meta', 'bucket');
  const [sub = ''] = await readdir(meta);
  const [name = ''] = await readdir(join(meta, sub));
  const sidecar = join(meta, sub, name);
  const good = await readFile(sidecar, 'utf8');
  for (const text of [
    '',
    '{"version":1',
    'null',
    good.replace(/[0-9a-f]{64}/, 'f'.repeat(64)).replace(/"ino":"\d+"/, '"ino":"1"'),
  ]) {
    await writeFile(sidecar, text);
    assert.equal((await objects.head('bucket', 'x.json')).digest, expected, text);
  }
  await rm(root.private('meta'), { recursive: true });
  assert.equal((await objects.head('bucket', 'x.json')).digest, expected);
  await writeFile(join(root.path, 'bucket', 'x.json'), 'two');
  await utimes(join(root.path, 'bucket', 'x.json'), 1, 1);
  assert.equal((await objects.head('bucket', 'x.json')).digest, digestOf(Buffer.from('two')));
});

test('starting removes temporary files and old uploads, and keeps recent ones', async () => {
  const uploads = new Uploads(root, objects);
  const id = await uploads.start('bucket', 'large', 10, false);
  await uploads.putPart({ bucket: 'bucket', key: 'large', uploadId: id }, 1, 4, body('half'));
  await writeFile(root.temporary(), 'left by a killed server');
  const again = await StoreRoot.open(root.path);
  await again.removeTemporaries();
  assert.deepEqual(await readdir(root.private('tmp')), []);
  assert.equal(await uploads.removeStale(Date.now() - 60_000), 0);
  assert.deepEqual((await uploads.state('bucket', 'large', id)).parts, [{ number: 1, size: 4 }]);
  assert.equal(await uploads.removeStale(Date.now() + 60_000), 1);
  await assert.rejects(uploads.state('bucket', 'large', id), { code: 'STORE_NO_UPLOAD' });
});

test('a part that is still being written cannot reach into the finished object', async () => {
  const uploads = new Uploads(root, objects);
  const at = { bucket: 'bucket', key: 'large' };
  const uploadId = await uploads.start('bucket', 'large', 4, true);
  await uploads.putPart({ ...at, uploadId }, 1, 4, body('good'));
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  let begun = (): void => {};
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  async function* late(): AsyncGenerator<Uint8Array, void> {
    begun();
    await gate;
    yield Buffer.from('evil');
  }
  const second = await uploads.start('bucket', 'other', 4, true);
  const writing = uploads.putPart({ ...at, uploadId }, 2, 4, late());
  const outcome = assert.rejects(writing, { code: 'STORE_NO_UPLOAD' });
  await started;
  await uploads.complete(uploadId, { ...at, size: 4, digest: digestOf(Buffer.from('good')), once: true });
  go();
  await outcome;
  assert.equal(await readFile(join(root.path, 'bucket', 'large'), 'utf8'), 'good');
  await assert.rejects(uploads.state('bucket', 'large', second), { code: 'STORE_NO_UPLOAD' });
});

test('an upload with missing, short or other parts is not completed', async () => {
  const uploads = new Uploads(root, objects);
  const at = { bucket: 'bucket', key: 'k' };
  const digest = digestOf(Buffer.from('abcdefg'));
  const uploadId = await uploads.start('bucket', 'k', 4, true);
  const complete = (size = 7) => uploads.complete(uploadId, { ...at, size, digest, once: true });
  await uploads.putPart({ ...at, uploadId }, 2, 3, body('efg'));
  await assert.rejects(complete(), { code: 'STORE_UPLOAD_INCOMPLETE' });
  await assert.rejects(uploads.putPart({ ...at, uploadId }, 1, 4, body('abc')), {
    code: 'STORE_SIZE_MISMATCH',
  });
  await assert.rejects(complete(), { code: 'STORE_UPLOAD_INCOMPLETE' });
  await uploads.putPart({ ...at, uploadId }, 1, 4, body('ABCD'));
  await assert.rejects(complete(), { code: 'STORE_DIGEST_MISMATCH' });
  await assert.rejects(complete(6), { code: 'STORE_SIZE_MISMATCH' });
  await assert.rejects(objects.head('bucket', 'k'), { code: 'STORE_NOT_FOUND' });
  await uploads.putPart({ ...at, uploadId }, 1, 4, body('abcd'));
  assert.equal((await complete()).digest, digest);
});
