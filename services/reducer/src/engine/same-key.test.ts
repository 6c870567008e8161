import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity } from '@consilium/platform';
import { buckets, type SessionRecord } from '@consilium/protocol';
import { modelBytes, putObject, sessionRecord } from '../testing/fixtures.js';
import { MemoryStore } from '../testing/memory-store.js';
import { writeModel } from './commit.js';
import { seedContent } from './content.js';
import { requireSameKey } from './same-key.js';

const mine = createIdentity('user');
const lost = createIdentity('user');

async function world(signer = mine) {
  const store = new MemoryStore();
  const from = await putObject(store, buckets.work, 'candidate', await modelBytes([1]));
  const record = sessionRecord();
  const weights = { digest: from.digest, size: from.size, parameters: 1 };
  const writer = { store: store.asStore, identity: signer };
  const { head } = await writeModel(writer, seedContent(record, weights, signer.publicKey), from);
  const check = (sessions: SessionRecord[]) =>
    requireSameKey({ store: store.asStore, identity: mine }, sessions);
  return { store, record: { ...record, head }, check };
}

test('a reducer goes on with a trail that its own key has signed, and with none at all', async () => {
  const { record, check } = await world();
  await check([record]);
  await check([]);
});

test('a reducer whose key file was lost does not go on with the trail of the lost key', async () => {
  const { record, check } = await world(lost);
  await assert.rejects(check([record]), { code: 'TRUST_OTHER_REDUCER_KEY' });
});

test('a manifest that is damaged or gone says nothing about the key', async () => {
  const { store, record, check } = await world(lost);
  const path = [...store.objects.keys()].find((key) => key.endsWith('manifest.json'))!;
  store.objects.set(path, { bytes: Buffer.from('{}'), etag: 'x', modified: 0 });
  await check([record]);
  store.objects.delete(path);
  await check([record]);
});
