import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { lockFolder } from './folder-lock.js';

const options = {
  file: 'client.lock',
  inUse: 'CLIENT_STATE_IN_USE',
  holder: 'a client that runs',
  unwritable: 'CLIENT_STATE_UNWRITABLE',
} as const;

describe('the lock of a folder', () => {
  let root = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'consilium-lock-'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function folder(name: string): Promise<string> {
    const path = join(root, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  test('lets one in, and the next one after it has been released', async () => {
    const path = await folder('one');
    const first = await lockFolder(path, options);
    await assert.rejects(lockFolder(path, options), { code: 'CLIENT_STATE_IN_USE', where: path });
    await first.release();
    const second = await lockFolder(path, options);
    await second.release();
    assert.deepEqual(await readdir(path), []);
  });

  test('works in a folder whose path is longer than a socket path may be', async () => {
    const path = await folder(`deep/${'x'.repeat(120)}/state`);
    const lock = await lockFolder(path, options);
    await assert.rejects(lockFolder(path, options), { code: 'CLIENT_STATE_IN_USE' });
    await lock.release();
  });

  test('cannot be made where there is no folder, and says so with the code of its owner', async () => {
    const path = join(root, 'not-there');
    await assert.rejects(lockFolder(path, options), { code: 'CLIENT_STATE_UNWRITABLE', where: path });
  });

  test('of a process that was killed does not hold', async () => {
    const path = await folder('killed');
    const script = `
      const { lockFolder } = await import(${JSON.stringify(new URL('./folder-lock.js', import.meta.url).href)});
      await lockFolder(${JSON.stringify(path)}, ${JSON.stringify(options)});
      console.log('locked');
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await assert.rejects(lockFolder(path, options), { code: 'CLIENT_STATE_IN_USE' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = await lockFolder(path, options);
    await lock.release();
  });

  test('is taken by exactly one of many that start together on a stale one', async () => {
    const path = await folder('many');
    const script = `
      const { lockFolder } = await import(${JSON.stringify(new URL('./folder-lock.js', import.meta.url).href)});
      await lockFolder(${JSON.stringify(path)}, ${JSON.stringify(options)});
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    await once(child, 'exit');
    assert.deepEqual(await readdir(path), ['client.lock']);
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(path, options)));
    const got = all.filter((result) => result.status === 'fulfilled');
    assert.equal(got.length, 1);
    for (const result of got) await result.value.release();
  });
});
