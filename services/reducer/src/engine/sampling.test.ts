import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PhaseRef } from '@consilium/protocol';
import { type AvailableClient, groupByCombiner, phaseSeed, sampleClients, sampleSize } from './sampling.js';

const phase: PhaseRef = { session: 's', round: 1, attempt: 0, kind: 'train' };
const all: AvailableClient[] = Array.from({ length: 100 }, (_, i) => ({
  client: `site-${i}`,
  combiner: `combiner-${i % 3}`,
}));
const names = (drawn: readonly AvailableClient[]) => drawn.map(({ client }) => client);

for (const [fraction, minimum, available, wanted] of [
  [1, 1, 10, 10],
  [0.5, 1, 10, 5],
  [0.5, 1, 9, 5],
  [0.1, 4, 10, 4],
  [0.1, 40, 10, 10],
  [0, 2, 10, 2],
  [0, 0, 10, 0],
  [1, 1, 0, 0],
] as const) {
  test(`fraction ${fraction} with at least ${minimum} of ${available} clients asks ${wanted}`, () => {
    assert.equal(sampleSize({ fraction, minimum }, available), wanted);
  });
}

test('the same clients are drawn whatever order they are known in', () => {
  const forwards = sampleClients(all, 10, phase, 7);
  const backwards = sampleClients([...all].reverse(), 10, phase, 7);
  assert.deepEqual(names(forwards), names(backwards));
  assert.equal(new Set(names(forwards)).size, 10);
});

test('another round, attempt, kind or seed draws others', () => {
  const first = names(sampleClients(all, 10, phase, 7));
  const others = [
    sampleClients(all, 10, { ...phase, round: 2 }, 7),
    sampleClients(all, 10, { ...phase, attempt: 1 }, 7),
    sampleClients(all, 10, { ...phase, kind: 'validate' }, 7),
    sampleClients(all, 10, phase, 8),
  ];
  for (const other of others) assert.notDeepEqual(names(other), first);
});

test('over many rounds every client is drawn about equally often', () => {
  const counts = new Map<string, number>();
  for (let round = 1; round <= 400; round += 1) {
    for (const client of names(sampleClients(all, 10, { ...phase, round }, 0))) {
      counts.set(client, (counts.get(client) ?? 0) + 1);
    }
  }
  assert.equal(counts.size, 100, 'everybody was drawn');
  // 40 expected with a deviation of 6: five deviations either way.
  for (const [client, count] of counts) assert.ok(count > 10 && count < 70, `${client}: ${count}`);
});

test('cohorts and the clients in them come in the order of their names', () => {
  const cohorts = groupByCombiner([
    { client: 'c', combiner: 'two' },
    { client: 'b', combiner: 'one' },
    { client: 'a', combiner: 'two' },
  ]);
  assert.deepEqual(cohorts, [
    { combiner: 'one', clients: ['b'] },
    { combiner: 'two', clients: ['a', 'c'] },
  ]);
});

test('a retried round keeps its seed, the next round has another, and it fits a signed 32 bit integer', () => {
  const seed = phaseSeed(phase, 1);
  assert.equal(phaseSeed({ ...phase, attempt: 3 }, 1), seed);
  assert.notEqual(phaseSeed({ ...phase, round: 2 }, 1), seed);
  for (let round = 0; round < 100; round += 1) {
    const one = phaseSeed({ ...phase, round }, 1);
    assert.ok(Number.isInteger(one) && one >= 0 && one < 2 ** 31);
  }
});
