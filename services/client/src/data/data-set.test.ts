import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DataSetIndex } from './data-set.js';

let root = '';
let path = '';
let indexFile = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'consilium-data-'));
  path = join(root, 'data');
  indexFile = join(root, 'index.json');
  await mkdir(join(path, 'b'), { recursive: true });
  await writeFile(join(path, 'a.csv'), 'one');
  await writeFile(join(path, 'b', 'z.csv'), 'three');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const index = () => new DataSetIndex({ path, name: 'x', indexFile });

describe('the description of the data folder', () => {
  test('is the digest of the sorted lines path, size, sha256', async () => {
    const lines = `a.csv 3 ${sha256('one')}\nb/z.csv 5 ${sha256('three')}\n`;
    assert.deepEqual(await index().describe(), {
      name: 'x',
      files: 2,
      bytes: 8,
      digest: `sha256:${sha256(lines)}`,
    });
  });

  test('of an empty folder is the digest of nothing', async () => {
    await rm(path, { recursive: true });
    await mkdir(path);
    const { files, digest } = await index().describe();
    assert.equal(files, 0);
    assert.equal(digest, `sha256:${sha256('')}`);
  });

  test('changes with content, name and place of a file, and comes back with them', async () => {
    const first = (await index().describe()).digest;
    await appendFile(join(path, 'a.csv'), '!');
    const changed = (await index().describe()).digest;
    await writeFile(join(path, 'a.csv'), 'one');
    const back = (await index().describe()).digest;
    await rename(join(path, 'a.csv'), join(path, 'b', 'a.csv'));
    const moved = (await index().describe()).digest;
    assert.equal(back, first);
    assert.equal(new Set([first, changed, moved]).size, 3);
  });

  test('notices a change that keeps size and modification time', async () => {
    const old = new Date(1e12);
    await utimes(join(path, 'a.csv'), old, old);
    const first = (await index().describe()).digest;
    await writeFile(join(path, 'a.csv'), 'two');
    await utimes(join(path, 'a.csv'), old, old);
    assert.notEqual((await index().describe()).digest, first);
  });

  test('reads a file that has not changed only once', async () => {
    await index().describe();
    const stored = JSON.parse(await readFile(indexFile, 'utf8'));
    stored.files['a.csv'].sha256 = '0'.repeat(64);
    await writeFile(indexFile, JSON.stringify(stored));
    const lines = `a.csv 3 ${'0'.repeat(64)}\nb/z.csv 5 ${sha256('three')}\n`;
    assert.equal((await index().describe()).digest, `sha256:${sha256(lines)}`);
  });

  test('a damaged index costs time, not truth', async () => {
    const first = (await index().describe()).digest;
    await writeFile(indexFile, '{"files":');
    const seen: unknown[] = [];
    const damaged = new DataSetIndex({ path, name: 'x', indexFile, onIndexDamaged: (error) => seen.push(error) });
    assert.equal((await damaged.describe()).digest, first);
    assert.equal(seen.length, 1);
  });

  test('follows links, and is not caught by one that leads back', async () => {
    const outside = join(root, 'archive');
    await mkdir(outside);
    await writeFile(join(outside, 'y.csv'), 'two');
    await symlink(outside, join(path, 'linked'));
    await symlink(path, join(path, 'b', 'loop'));
    await symlink(join(root, 'nowhere'), join(path, 'dangling'));
    const { files, bytes } = await index().describe();
    assert.equal(files, 3);
    assert.equal(bytes, 11);
  });

  test('a line feed in a name cannot forge a line', async () => {
    await writeFile(join(path, 'a\nb'), '');
    const lines = `a\\nb 0 ${sha256('')}\na.csv 3 ${sha256('one')}\nb/z.csv 5 ${sha256('three')}\n`;
    assert.equal((await index().describe()).digest, `sha256:${sha256(lines)}`);
  });

  test('of a folder that is gone is a clear error', async () => {
    await rm(path, { recursive: true });
    await assert.rejects(index().describe(), { code: 'CLIENT_DATA_MISSING', where: path });
  });
});
