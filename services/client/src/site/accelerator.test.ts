import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { findAccelerator } from './accelerator.js';

describe('looking for a GPU', () => {
  test('finds device files of any vendor, and none where there are none', async (t) => {
    const devices = await mkdtemp(join(tmpdir(), 'consilium-dev-'));
    t.after(() => rm(devices, { recursive: true, force: true }));
    for (const name of ['null', 'nvidiactl', 'sda']) await writeFile(join(devices, name), '');
    assert.deepEqual(await findAccelerator('linux', devices), { hasGpu: false, detail: 'none found' });
    await mkdir(join(devices, 'dri'));
    for (const name of ['nvidia0', 'dri/card0', 'dri/renderD128']) await writeFile(join(devices, name), '');
    assert.deepEqual(await findAccelerator('linux', devices), {
      hasGpu: true,
      detail: 'dri/renderD128, nvidia0',
    });
    assert.equal((await findAccelerator('darwin', devices)).hasGpu, true);
    assert.equal((await findAccelerator('linux', join(devices, 'nowhere'))).hasGpu, false);
  });
});
