import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { replaceFile } from './replace-file.js';

test('a file is replaced as a whole, for its owner alone, and nothing else is left behind', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'consilium-replace-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'a.json');
  await replaceFile(path, 'a longer first text');
  await replaceFile(path, 'second');
  assert.equal(await readFile(path, 'utf8'), 'second');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const texts = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(1000 + index));
  await Promise.all(texts.map((text) => replaceFile(path, text)));
  assert.ok(texts.includes(await readFile(path, 'utf8')));
  assert.deepEqual(await readdir(folder), ['a.json']);
});

test('a file that cannot be replaced leaves nothing behind', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'consilium-replace-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'taken'));
  await assert.rejects(replaceFile(join(folder, 'taken'), 'x'));
  assert.deepEqual(await readdir(folder), ['taken']);
});
