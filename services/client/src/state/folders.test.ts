import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { prepareFolders, stateFolders } from './folders.js';

describe('the state folder', () => {
  test('is made private, and leftovers go, also those a package has locked', async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'consilium-state-'));
    t.after(() => rm(root, { recursive: true, force: true }));
    const folders = stateFolders(root);
    const locked = join(folders.work, 'task-1', 'locked');
    await mkdir(locked, { recursive: true });
    await writeFile(join(locked, 'file'), '');
    await chmod(locked, 0o500);
    await mkdir(folders.logs);
    for (let i = 0; i < 205; i++) {
      const file = join(folders.logs, `${i}.log`);
      await writeFile(file, '');
      await utimes(file, 1000 + i, 1000 + i);
    }
    await mkdir(join(folders.packages, '.unpack-0123'), { recursive: true });
    await prepareFolders(folders);
    assert.deepEqual(await readdir(folders.work), []);
    assert.deepEqual(await readdir(folders.packages), []);
    const logs = await readdir(folders.logs);
    assert.equal(logs.length, 200);
    assert.ok(!logs.includes('4.log') && logs.includes('5.log'));
    assert.equal((await stat(folders.keys)).mode & 0o777, 0o700);
  });
});
