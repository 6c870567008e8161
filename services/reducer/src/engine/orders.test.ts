import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endedStates, type SessionRecord, sessionStates } from '@consilium/protocol';
import { sessionRecord, spec } from '../testing/fixtures.js';
import { isOfPhase, orderChanges, ordersOf, sessionOfKey } from './orders.js';

function training(change: Partial<SessionRecord> = {}): SessionRecord {
  return sessionRecord({
    state: 'training',
    epoch: 3,
    deadline: '2026-01-01T01:00:00.000Z',
    cohorts: [
      { combiner: 'one', clients: ['a', 'b'] },
      { combiner: 'two', clients: ['c'] },
    ],
    ...change,
  });
}
const other = { ...sessionRecord().head_weights, key: 'candidate' };

test('every cohort of a phase has one order, with the rules of the session in it', () => {
  const record = training({
    spec: spec({ max_update_norm: 3, strategy: { weighting: 'equal' }, config: { e: 2 } }),
  });
  const orders = ordersOf(record);
  assert.deepEqual([...orders.keys()], ['one.s.1.0.train', 'two.s.1.0.train']);
  const order = orders.get('one.s.1.0.train');
  assert.deepEqual(order?.clients, ['a', 'b']);
  assert.equal(order?.epoch, 3);
  assert.equal(order?.weighting, 'equal');
  assert.equal(order?.max_update_norm, 3);
  assert.deepEqual(order?.template.config, { e: 2 });
  assert.deepEqual(order?.template.inputs, { weights: record.head_weights });
});

test('validation is ordered on the candidate, training on the head', () => {
  const order = ordersOf(training({ state: 'validating', candidate: other })).get('one.s.1.0.validate');
  assert.deepEqual(order?.template.inputs, { weights: other });
});

test('a phase that stands as ordered needs no change', () => {
  const record = training();
  assert.deepEqual(orderChanges(record, ordersOf(record)), { put: [], remove: [] });
});

test('a handed over cohort: its order goes, and the others are told the new epoch', () => {
  const standing = ordersOf(training());
  const next = training({ epoch: 4, cohorts: [{ combiner: 'one', clients: ['a', 'b', 'c'] }] });
  const { put, remove } = orderChanges(next, standing);
  assert.deepEqual(remove, ['two.s.1.0.train']);
  assert.deepEqual(
    put.map(([key, order]) => [key, order.epoch, order.clients]),
    [['one.s.1.0.train', 4, ['a', 'b', 'c']]],
  );
});

test('a stop during validation closes it with what has arrived', () => {
  const record = training({ state: 'validating', candidate: other });
  const { put, remove } = orderChanges({ ...record, stop_requested: true }, ordersOf(record));
  assert.deepEqual(remove, []);
  assert.deepEqual(
    put.map(([key, order]) => [key, order.close]),
    [
      ['one.s.1.0.validate', true],
      ['two.s.1.0.validate', true],
    ],
  );
});

test('no order is left standing in a state that has no phase', () => {
  const standing = ordersOf(training());
  const states = sessionStates.filter((state) => state !== 'training' && state !== 'validating');
  assert.ok(endedStates.every((state) => (states as string[]).includes(state)));
  for (const state of states) {
    const { put, remove } = orderChanges(training({ state }), standing);
    assert.deepEqual([put, remove.length], [[], 2], state);
  }
});

test('the order of an earlier round or attempt goes', () => {
  const standing = ordersOf(training());
  assert.equal(orderChanges(training({ round: 2 }), standing).remove.length, 2);
  assert.equal(orderChanges(training({ attempt: 1 }), standing).remove.length, 2);
});

test('keys say which session and phase they are of', () => {
  assert.equal(sessionOfKey('one.s.1.0.train'), 's');
  assert.equal(isOfPhase('one.s.1.0.train', training()), true);
  for (const key of ['one.s.1.0.validate', 'one.s.11.0.train', 'one.ss.1.0.train', 'one.s.1.1.train']) {
    assert.equal(isOfPhase(key, training()), false, key);
  }
  assert.equal(isOfPhase('one.s.1.0.train', sessionRecord()), false, 'waiting has no phase');
});
