import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '@consilium/platform';
import { clientConfigSchema } from '@consilium/protocol';
import { startClient } from './start.js';

test('the health route says that a client lives, is not ready, and why', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'consilium-health-'));
  const data = join(folder, 'data');
  for (const name of [data, join(folder, 'state')]) await mkdir(name);
  await writeFile(join(data, 'train.csv'), '1,2\n');
  const config = clientConfigSchema.parse({
    // Port 9 of loopback: nobody listens there.
    url: 'http://127.0.0.1:9',
    name: 'site-1',
    token: `cjt_${'A'.repeat(43)}`,
    data: { path: data, name: 'data' },
    state: join(folder, 'state'),
    health: { port: 0 },
  });
  const client = await startClient(config, { log: createLogger({ service: 'test', level: 'silent' }) });
  try {
    assert.equal((await fetch(`${client.healthUrl}/health`)).status, 200);
    let facts: Record<string, unknown> = {};
    // The first attempt to join may not have failed yet.
    for (let tries = 0; tries < 200 && facts.code === undefined; tries++) {
      const answer = await fetch(`${client.healthUrl}/ready`);
      assert.equal(answer.status, 503);
      facts = (await answer.json()) as Record<string, unknown>;
      await new Promise((done) => setTimeout(done, 20));
    }
    const { ready, state, code, client: name } = facts;
    assert.deepEqual([ready, state, code, name], [false, 'joining', 'CLIENT_UNREACHABLE', 'site-1']);
  } finally {
    await client.stop();
    await rm(folder, { recursive: true });
  }
  await assert.rejects(fetch(`${client.healthUrl}/health`));
});

test('without health.port nothing listens', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'consilium-health-'));
  const data = join(folder, 'data');
  for (const name of [data, join(folder, 'state')]) await mkdir(name);
  const config = clientConfigSchema.parse({
    url: 'http://127.0.0.1:9',
    name: 'site-1',
    data: { path: data, name: 'data' },
    state: join(folder, 'state'),
  });
  const client = await startClient(config, { log: createLogger({ service: 'test', level: 'silent' }) });
  await client.stop();
  await rm(folder, { recursive: true });
  assert.equal(client.healthUrl, undefined);
});
