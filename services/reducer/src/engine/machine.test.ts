import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Report, type SessionRecord, sessionSpecSchema } from '@consilium/protocol';
import { afterReducing, closingGrace, type Decision, decide, type Observation } from './machine.js';

const digest = `sha256:${'a'.repeat(64)}`;
const object = { bucket: 'consilium-work' as const, key: 'k', digest, size: 1 };
const start = Date.parse('2026-01-01T00:00:00.000Z');

function record(change: Partial<SessionRecord> = {}, spec: Record<string, unknown> = {}): SessionRecord {
  return {
    schema: 1,
    id: 's',
    spec: sessionSpecSchema.parse({ package: { name: 'p', version: '1.0.0' }, rounds: 2, ...spec }),
    configuration: digest,
    package: { name: 'p', version: '1.0.0', archive: object, manifest: object },
    state: 'waiting',
    reason: null,
    round: 1,
    attempt: 0,
    epoch: 0,
    head: { number: 0, id: 'a'.repeat(64), manifest_digest: digest },
    head_weights: object,
    best: null,
    cohorts: [],
    deadline: null,
    candidate: null,
    reports: [],
    validation_reports: [],
    stop_requested: false,
    created_at: new Date(start).toISOString(),
    created_by: 'someone',
    updated_at: new Date(start).toISOString(),
    ...change,
  };
}

function seen(change: Partial<Observation> = {}): Observation {
  return {
    now: start,
    clients: [
      { client: 'a', combiner: 'one' },
      { client: 'b', combiner: 'two' },
      { client: 'c', combiner: 'one' },
    ],
    combiners: ['one', 'two'],
    reports: new Map(),
    ...change,
  };
}

function report(combiner: string, change: Partial<Report> = {}): Report {
  const at = new Date(start).toISOString();
  const base = { schema: 1 as const, combiner, epoch: 1, asked: 2, done: 2, failed: 0, error: null, at };
  return { ...base, state: 'closed', result: { ...object, key: combiner }, ...change };
}

function moved(decision: Decision): SessionRecord {
  assert.equal(decision.do, 'move');
  return (decision as Decision & { do: 'move' }).record;
}

const training = () => moved(decide(record(), seen()));

test('a session waits, with the reason, until enough clients are connected', () => {
  const waiting = record({}, { clients_required: 4 });
  const told = moved(decide(waiting, seen()));
  assert.equal(told.state, 'waiting');
  assert.equal(told.reason, 'waits for 4 clients, 3 connected');
  assert.deepEqual(decide(told, seen()), { do: 'wait' });
});

test('a round starts with cohorts by combiner, a new epoch and a deadline', () => {
  const next = training();
  assert.equal(next.state, 'training');
  assert.equal(next.epoch, 1);
  assert.deepEqual(next.cohorts, [
    { combiner: 'one', clients: ['a', 'c'] },
    { combiner: 'two', clients: ['b'] },
  ]);
  assert.equal(Date.parse(next.deadline!), start + 3600_000);
});

test('the sample is max(fraction × available, minimum) and never below the quorum', () => {
  const asked = (spec: Record<string, unknown>) =>
    moved(decide(record({}, spec), seen())).cohorts.flatMap((cohort) => cohort.clients).length;
  assert.equal(asked({ training: { fraction: 0.3, minimum: 1 } }), 1);
  assert.equal(asked({ training: { fraction: 0, minimum: 2 } }), 2);
  assert.equal(asked({ training: { fraction: 0, minimum: 1 }, quorum: 3 }), 3);
});

test('the round goes on until every cohort has closed', () => {
  const one = decide(training(), seen({ reports: new Map([['one', report('one')]]) }));
  assert.deepEqual(one, { do: 'wait' });
  const both = new Map([
    ['one', report('one')],
    ['two', report('two')],
  ]);
  const next = moved(decide(training(), seen({ reports: both })));
  assert.equal(next.state, 'reducing');
  assert.deepEqual(
    next.reports.map((ref) => ref.key),
    ['one', 'two'],
  );
});

test('a report of another epoch never counts', () => {
  const stale = new Map([
    ['one', report('one', { epoch: 0 })],
    ['two', report('two', { epoch: 7 })],
  ]);
  assert.deepEqual(decide(training(), seen({ reports: stale })), { do: 'wait' });
  const late = seen({ reports: stale, now: start + 3600_000 + closingGrace });
  assert.equal(moved(decide(training(), late)).state, 'waiting');
});

test('after deadline and grace the closed cohorts decide, by the quorum', () => {
  const some = new Map([['one', report('one')]]);
  const due = start + 3600_000 + closingGrace;
  assert.equal(moved(decide(training(), seen({ reports: some, now: due }))).state, 'reducing');
  assert.deepEqual(decide(training(), seen({ reports: some, now: due - 1 })), { do: 'wait' });
});

test('below the quorum a round is tried again, then the session pauses with the reason', () => {
  const few = new Map([
    ['one', report('one', { done: 0 })],
    ['two', report('two', { done: 1 })],
  ]);
  const spec = { quorum: 2, retries: 1 };
  const first = moved(decide(moved(decide(record({}, spec), seen())), seen({ reports: few })));
  assert.equal(first.state, 'waiting');
  assert.equal(first.attempt, 1);
  const again = moved(decide(first, seen()));
  const epoch = again.epoch;
  const second = new Map([...few].map(([name, value]) => [name, { ...value, epoch }]));
  const last = moved(decide(again, seen({ reports: second })));
  assert.equal(last.state, 'paused');
  assert.match(last.reason!, /round 1 got 1 updates, the quorum is 2, after 2 tries/);
});

test('the cohort of a dead combiner goes to a living one under a new epoch', () => {
  const next = moved(decide(training(), seen({ combiners: ['one'] })));
  assert.equal(next.state, 'training');
  assert.equal(next.epoch, 2);
  assert.deepEqual(next.cohorts, [{ combiner: 'one', clients: ['a', 'b', 'c'] }]);
  assert.deepEqual(decide(training(), seen({ combiners: [] })), { do: 'wait' });
});

test('a client that is connected elsewhere than its cohort is goes there, and only while it may still deliver', () => {
  // As after a restart of everything: one combiner was back before the other, and got both cohorts.
  const hasty = moved(decide(training(), seen({ combiners: ['one'], clients: [] })));
  assert.deepEqual(hasty.cohorts, [{ combiner: 'one', clients: ['a', 'b', 'c'] }]);
  const settled = moved(decide(hasty, seen()));
  assert.deepEqual([settled.epoch, settled.cohorts], [3, training().cohorts]);
  assert.deepEqual(decide(settled, seen()), { do: 'wait' });

  const moving = seen({ clients: [{ client: 'b', combiner: 'one' }] });
  const closed = new Map([['two', report('two')]]);
  assert.deepEqual(decide(training(), { ...moving, reports: closed }), { do: 'wait' });
  const old = new Map([['two', report('two', { epoch: 0 })]]);
  assert.equal(moved(decide(training(), { ...moving, reports: old })).epoch, 2);
});

test('a stop is obeyed at every state but a commit that is under way', () => {
  for (const state of ['waiting', 'training', 'reducing', 'paused'] as const) {
    const next = moved(decide(record({ state, stop_requested: true }), seen()));
    assert.equal(next.state, 'stopped', state);
  }
  assert.deepEqual(decide(record({ state: 'committing', stop_requested: true }), seen()), { do: 'commit' });
});

test('evaluation can be off, and an empty house does not hold the commit up', () => {
  const off = record({ state: 'reducing' }, { evaluation: { fraction: 0, minimum: 0 } });
  assert.equal(afterReducing(off, seen(), object).state, 'committing');
  assert.equal(
    afterReducing(record({ state: 'reducing' }), seen({ clients: [] }), object).state,
    'committing',
  );
  const on = afterReducing(record({ state: 'reducing', epoch: 4 }), seen(), object);
  assert.equal(on.state, 'validating');
  assert.equal(on.epoch, 5);
});

test('the session finishes after its last round', () => {
  assert.equal(moved(decide(record({ round: 3 }), seen())).state, 'finished');
});
