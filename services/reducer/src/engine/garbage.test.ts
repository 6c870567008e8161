import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity } from '@consilium/platform';
import { buckets, type ModelHead, type SessionRecord } from '@consilium/protocol';
import { claimOf, modelBytes, putObject, reportObject, sessionRecord, signed } from '../testing/fixtures.js';
import { MemoryKv } from '../testing/memory-kv.js';
import { MemoryStore } from '../testing/memory-store.js';
import { writeModel } from './commit.js';
import { roundContent, seedContent } from './content.js';
import { collectGarbage } from './garbage.js';

const identity = createIdentity('user');
const hour = 3600_000;

/** A session with two committed models, and the objects that its third round has made so far. */
async function world(change: Partial<SessionRecord> = {}) {
  const store = new MemoryStore();
  const writer = { store: store.asStore, identity };
  const bytes = await modelBytes([1]);
  const from = await putObject(store, buckets.work, 'candidates/s/2-aa.npz', bytes);
  const weights = { digest: from.digest, size: from.size, parameters: 1 };
  const record = sessionRecord();
  const update = await putObject(store, buckets.work, 'updates/s/1-0/kept/1.npz', bytes);
  const claim = signed(claimOf('kept', { update: update.digest }), createIdentity('user'));
  const training = reportObject({ results: [{ client: 'kept', weight: 10, signed: claim, update }] });
  const seed = await writeModel(writer, seedContent(record, weights, identity.publicKey), from);
  const after = (head: ModelHead, at: string) =>
    roundContent({ ...record, head, updated_at: at }, [training], [], weights, identity.publicKey);
  const one = await writeModel(writer, after(seed.head, '2026-01-01T00:00:01.000Z'), from);
  /** A second model of the same number, from a commit that lost. */
  const lost = await writeModel(writer, after(seed.head, '2026-01-01T00:00:02.000Z'), from);
  /** The next model, written and not committed yet. */
  const next = await writeModel(writer, after(one.head, '2026-01-01T00:00:03.000Z'), from);
  for (const key of [
    'updates/s/1-0/a/1.npz',
    'partials/s/1-0/one-1-1.npz',
    'reports/s/1-0-train/one-1-1.json',
    'candidates/s/1-bb.npz',
    'partials/s/2-0/one-2-2.npz',
    'candidates/unknown/1-cc.npz',
    'uploads/dd',
  ]) {
    await putObject(store, buckets.work, key, Buffer.from(key));
  }
  await putObject(store, buckets.models, 'heads/s.json', Buffer.from('{}'));
  await putObject(store, buckets.models, `trail/gone/000000-${'e'.repeat(64)}/weights.npz`, bytes);
  const sessions = new MemoryKv<SessionRecord | undefined>();
  await sessions.put('s', { ...record, round: 2, state: 'training', head: one.head, ...change });
  store.now = 0;
  const collect = async (options: { dryRun?: boolean; minAgeMs?: number } = {}) => {
    const deps = { ...writer, state: { listed: { sessions } }, now: () => hour };
    const found = await collectGarbage(deps, { dryRun: false, minAgeMs: 0, ...options });
    return found.map(({ key }) => key).sort();
  };
  const folder = (number: number, head: ModelHead) => `trail/s/00000${number}-${head.id}`;
  return { store, collect, lost: folder(1, lost.head), next: folder(2, next.head), one: folder(1, one.head) };
}

test('what lost or old rounds left goes; the chain, the round in work and strangers stay, however old', async () => {
  const { collect, lost, store, next, one } = await world();
  const found = await collect();
  assert.deepEqual(found, [
    'candidates/s/1-bb.npz',
    'partials/s/1-0/one-1-1.npz',
    'reports/s/1-0-train/one-1-1.json',
    `${lost}/manifest.json`,
    `${lost}/weights.npz`,
    'updates/s/1-0/a/1.npz',
    'uploads/dd',
  ]);
  for (const folder of [one, next]) {
    assert.ok(store.objects.has(`${buckets.models}/${folder}/weights.npz`), 'it may be committed right now');
  }
  assert.deepEqual(await collect(), [], 'nothing is left to remove');
});

test('after the end of the session a model that was never committed goes too', async () => {
  const { collect, next } = await world({ state: 'stopped' });
  const found = await collect();
  assert.ok(found.includes(`${next}/manifest.json`));
  assert.ok(found.includes('partials/s/2-0/one-2-2.npz'));
});

test('a dry run names the same and removes nothing', async () => {
  const { collect, store } = await world();
  const before = store.objects.size;
  const named = await collect({ dryRun: true });
  assert.equal(store.objects.size, before);
  assert.deepEqual(await collect(), named);
});

test('young objects are spared', async () => {
  const { collect } = await world();
  assert.deepEqual(await collect({ minAgeMs: 2 * hour }), []);
});

test('nothing of a session goes whose chain cannot be read', async () => {
  const { collect, store, one } = await world();
  store.objects.delete(`${buckets.models}/${one}/manifest.json`);
  assert.deepEqual(await collect(), ['uploads/dd']);
});

test('updates that a manifest names are kept, also after the end', async () => {
  const { collect, store } = await world({ state: 'finished' });
  await collect();
  const updates = [...store.objects.keys()].filter((key) => key.startsWith(`${buckets.work}/updates/`));
  assert.deepEqual(updates, [`${buckets.work}/updates/s/1-0/kept/1.npz`]);
});
