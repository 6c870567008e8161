import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ObjectRef } from '@consilium/protocol';
import { ObjectCache } from './cache.js';

let folder = '';
let time = 1e12;
const now = () => (time += 1000);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consilium-cache-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const name = (letter: string) => letter.repeat(64);
const ref = (letter: string, size = 10): ObjectRef => ({
  bucket: 'consilium-models',
  key: letter,
  digest: `sha256:${name(letter)}`,
  size,
});

/** Counts how often it was asked. */
function fetcher(size = 10) {
  const asked: string[] = [];
  const fetch = async (path: string): Promise<void> => {
    asked.push(path);
    await writeFile(path, 'x'.repeat(size));
  };
  return { asked, fetch };
}

describe('the cache of objects', () => {
  test('fetches an object once, also when several ask for it at the same time', async () => {
    const cache = new ObjectCache(folder, 100, now);
    const { asked, fetch } = fetcher();
    const all = await Promise.all([1, 2, 3].map(() => cache.get(ref('a'), fetch)));
    assert.equal(asked.length, 1);
    assert.equal(await readFile(all[2]!.path, 'utf8'), 'x'.repeat(10));
    const again = new ObjectCache(folder, 100, now);
    await again.get(ref('a'), fetch);
    assert.equal(asked.length, 1);
  });

  test('fetches again what has another size on the disk', async () => {
    const cache = new ObjectCache(folder, 100, now);
    await writeFile(join(folder, name('a')), 'short');
    const { asked, fetch } = fetcher();
    await cache.get(ref('a'), fetch);
    assert.equal(asked.length, 1);
  });

  test('evicts the least recently used, never what is in use', async () => {
    const cache = new ObjectCache(folder, 30, now);
    const { fetch } = fetcher();
    const a = await cache.get(ref('a'), fetch);
    (await cache.get(ref('b'), fetch)).release();
    (await cache.get(ref('c'), fetch)).release();
    (await cache.get(ref('b'), fetch)).release();
    (await cache.get(ref('d'), fetch)).release();
    assert.deepEqual(await readdir(folder), [name('a'), name('b'), name('d')]);
    a.release();
    (await cache.get(ref('e'), fetch)).release();
    assert.deepEqual(await readdir(folder), [name('b'), name('d'), name('e')]);
  });

  test('a failed download is not shared with those who waited for it', async () => {
    const cache = new ObjectCache(folder, 100, now);
    const { asked, fetch } = fetcher();
    const failing = cache.get(ref('a'), () => Promise.reject(new Error('called off')));
    const waiting = cache.get(ref('a'), fetch);
    await assert.rejects(failing, /called off/);
    await waiting;
    assert.equal(asked.length, 1);
  });

  test('removes parts of downloads that were given up long ago', async () => {
    const cache = new ObjectCache(folder, 100, now);
    const part = join(folder, `${name('b')}.0123.part`);
    await writeFile(part, 'x');
    await utimes(part, 1, 1);
    const { fetch } = fetcher();
    await cache.get(ref('a'), fetch);
    assert.deepEqual(await readdir(folder), [name('a')]);
  });
});
