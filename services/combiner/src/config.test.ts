import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseCombinerConfig, readCombinerConfig } from './config.js';

const good = {
  combiner: 'north',
  nats: { servers: ['nats://127.0.0.1:4222'], creds_file: 'keys/north.creds' },
  store: { kind: 'filesystem', url: 'http://127.0.0.1:1', key: 'k'.repeat(32) },
  temp_dir: 'temp',
};

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'consilium-config-'));
});
after(() => rm(dir, { recursive: true }));

test('a short configuration gets its defaults, and paths are relative to the file', async () => {
  const file = join(dir, 'combiner.json');
  await writeFile(file, JSON.stringify(good));
  const config = await readCombinerConfig(file);
  assert.deepEqual(config, {
    ...good,
    nats: { ...good.nats, creds_file: join(dir, 'keys/north.creds') },
    temp_dir: join(dir, 'temp'),
    memory_mib: 256,
    threads: 2,
    sync_seconds: 5,
    update_size_factor: 2,
    url_seconds: 900,
  });
});

test('a wrong field is named', () => {
  const cases: [string, object][] = [
    ['combiner', { combiner: 'reducer' }],
    ['combiner', { combiner: 'North' }],
    ['nats.servers', { nats: { ...good.nats, servers: [] } }],
    ['store.key', { store: { ...good.store, key: 'short' } }],
    ['store.kind', { store: { kind: 'tape' } }],
    ['memory_mib', { memory_mib: 1 }],
    ['threads', { threads: 0 }],
    ['temp_dir', { temp_dir: '' }],
  ];
  for (const [field, change] of cases) {
    assert.throws(() => parseCombinerConfig({ ...good, ...change }, 'f.json'), {
      code: 'BAD_REQUEST',
      where: `f.json, ${field}`,
    });
  }
  assert.throws(() => parseCombinerConfig({ ...good, treads: 3 }, 'f.json'), /treads/);
});

test('a file that is missing or no JSON is one clear error', async () => {
  const missing = join(dir, 'none.json');
  await assert.rejects(readCombinerConfig(missing), { code: 'BAD_REQUEST', where: missing });
  const damaged = join(dir, 'damaged.json');
  await writeFile(damaged, '{"combiner":');
  await assert.rejects(readCombinerConfig(damaged), { code: 'BAD_REQUEST', where: damaged });
});
