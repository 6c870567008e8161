import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity, digestOf } from '@consilium/platform';
import {
  buckets,
  ConsiliumError,
  type ErrorCode,
  type ReportObject,
  type SessionEvent,
  type SessionRecord,
} from '@consilium/protocol';
import {
  claimOf,
  digest,
  putObject,
  reportObject,
  sessionRecord,
  signed,
  silent,
  spec,
  start,
} from '../testing/fixtures.js';
import { MemoryKv } from '../testing/memory-kv.js';
import { MemoryStore } from '../testing/memory-store.js';
import { type StepDeps, step } from './step.js';

async function world(change: Partial<SessionRecord>) {
  const store = new MemoryStore();
  const sessions = new MemoryKv<SessionRecord>();
  const events: SessionEvent[] = [];
  const record = sessionRecord(change);
  await sessions.create(record.id, record);
  const deps: StepDeps = {
    sessions,
    writer: { store: store.asStore, identity: createIdentity('user') },
    observe: () => ({ now: start, clients: [], combiners: [], reports: new Map() }),
    reduce: async () => ({ bucket: buckets.work, key: 'candidate', digest, size: 1 }),
    publish: (event) => void events.push(event),
    log: silent,
  };
  const run = async (over: Partial<StepDeps> = {}) =>
    step({ ...deps, ...over }, (await sessions.get(record.id))!);
  return { store, sessions, events, run };
}

const failing = (code: ErrorCode) => ({
  reduce: async () => {
    throw new ConsiliumError(code, 'seen by the test');
  },
});

for (const code of ['AGG_BAD_PARTIAL', 'NPZ_CRC', 'STORE_NOT_FOUND', 'STORE_DIGEST_MISMATCH'] as const) {
  test(`a reduction that ends with ${code} would end so again: the round is tried anew`, async () => {
    const { sessions, events, run } = await world({ state: 'reducing' });
    const next = await run(failing(code));
    assert.deepEqual([next?.state, next?.attempt, next?.round], ['waiting', 1, 1]);
    assert.equal((await sessions.get('s'))?.value.state, 'waiting');
    assert.match(JSON.stringify(events[0]), /round.failed.*seen by the test/);
  });
}

for (const code of ['STORE_UNAVAILABLE', 'BUS_LEASE_LOST', 'NPZ_SOURCE'] as const) {
  test(`a reduction that ends with ${code} leaves the record alone, and is done again later`, async () => {
    const { sessions, run } = await world({ state: 'reducing' });
    await assert.rejects(run(failing(code)), { code });
    const entry = await sessions.get('s');
    assert.deepEqual([entry?.value.state, entry?.revision], ['reducing', 1]);
  });
}

test('a round that fails too often pauses the session with the reason, and a stop ends it then', async () => {
  const { sessions, run } = await world({ state: 'reducing', attempt: 2, spec: spec({ retries: 2 }) });
  const paused = await run(failing('AGG_BAD_PARTIAL'));
  assert.equal(paused?.state, 'paused');
  assert.match(paused?.reason ?? '', /seen by the test.*after 3 tries/);
  assert.equal(await run(), undefined, 'it stays so');
  const { value, revision } = (await sessions.get('s'))!;
  await sessions.update('s', { ...value, stop_requested: true }, revision);
  assert.equal((await run())?.state, 'stopped');
});

test('a stop that comes while a round is reduced wins over the result', async () => {
  const { sessions, run } = await world({ state: 'reducing' });
  const reduce = async () => {
    const { value, revision } = (await sessions.get('s'))!;
    await sessions.update('s', { ...value, stop_requested: true }, revision);
    return { bucket: buckets.work, key: 'candidate', digest, size: 1 };
  };
  await assert.rejects(run({ reduce }), { code: 'BUS_CONFLICT' });
  const stopped = await run();
  assert.deepEqual([stopped?.state, stopped?.candidate, stopped?.head.number], ['stopped', null, 0]);
});

test('two reports that name one client never become a model', async () => {
  const { store, run, sessions } = await world({});
  const site = createIdentity('user');
  const reports = await Promise.all(
    ['one', 'two'].map(async (combiner) => {
      const update = { bucket: buckets.work, key: 'u', digest, size: 1 };
      const result = {
        client: 'a',
        weight: 10,
        signed: signed(claimOf('a', { update: digest }), site),
        update,
      };
      const body: ReportObject = reportObject({ combiner, results: [result] });
      return putObject(store, buckets.work, combiner, Buffer.from(JSON.stringify(body)));
    }),
  );
  const { modelBytes } = await import('../testing/fixtures.js');
  const bytes = await modelBytes([1]);
  const candidate = await putObject(store, buckets.work, 'candidate', bytes);
  assert.equal(candidate.digest, digestOf(bytes));
  const { value, revision } = (await sessions.get('s'))!;
  await sessions.update('s', { ...value, state: 'committing', reports, candidate }, revision);
  const next = await run();
  assert.deepEqual([next?.state, next?.attempt, next?.head.number], ['waiting', 1, 0]);
  assert.deepEqual(
    [...store.objects.keys()].filter((key) => key.startsWith(buckets.models)),
    [],
  );
});
