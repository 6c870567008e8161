import assert from 'node:assert/strict';
import { test } from 'node:test';
import { taskSchema } from '@consilium/protocol';
import { absentees, closeReason, countsOf, tasksFor } from './phase.js';
import { byClient, deadline, makeDone, makeFailed, makeOrder } from './testing/fixtures.js';

const before = deadline - 60_000;
const idsFor = (...args: Parameters<typeof tasksFor>) => tasksFor(...args).map((task) => task.id);

test('a client holds the tasks of every open phase that asks it, of several sessions at once', () => {
  const one = { order: makeOrder(), records: byClient() };
  const two = { order: makeOrder({}, { session: 'other', kind: 'validate' }), records: byClient() };
  const others = { order: makeOrder({ clients: ['z-site'] }, { session: 'third' }), records: byClient() };
  assert.deepEqual(idsFor('a-site', [one, two, others], before), [
    'other.2.0.validate.a-site',
    'trial.2.0.train.a-site',
  ]);
});

test('a task is a valid message and says how many seconds are left by this clock', () => {
  const [task] = tasksFor('a-site', [{ order: makeOrder(), records: byClient() }], before);
  assert.equal(task?.seconds_left, 60);
  assert.deepEqual(taskSchema.parse(task), task);
});

test('a task no longer holds when it has ended, well or badly', () => {
  const order = makeOrder();
  const records = byClient(makeDone(order, 'a-site'), makeFailed(order, 'b-site'));
  assert.deepEqual(idsFor('a-site', [{ order, records }], before), []);
  assert.deepEqual(idsFor('b-site', [{ order, records }], before), []);
  assert.deepEqual(idsFor('c-site', [{ order, records }], before), ['trial.2.0.train.c-site']);
});

test('no task holds from the deadline on, nor after the order to close', () => {
  const open = { order: makeOrder(), records: byClient() };
  assert.equal(idsFor('a-site', [open], deadline - 1).length, 1);
  assert.deepEqual(idsFor('a-site', [open], deadline), []);
  assert.deepEqual(idsFor('a-site', [{ ...open, order: makeOrder({ close: true }) }], before), []);
});

test('a phase closes when all have ended, when told to, or at its deadline', () => {
  const order = makeOrder();
  const some = byClient(makeDone(order, 'a-site'), makeFailed(order, 'b-site'));
  const all = byClient(...some.values(), makeDone(order, 'c-site'));
  assert.equal(closeReason({ order, records: some }, before), undefined);
  assert.equal(closeReason({ order, records: all }, before), 'complete');
  assert.equal(closeReason({ order: makeOrder({ close: true }), records: some }, before), 'ordered');
  assert.equal(closeReason({ order, records: some }, deadline - 1), undefined);
  assert.equal(closeReason({ order, records: some }, deadline), 'deadline');
});

test('records of clients that are not asked neither count nor close', () => {
  const order = makeOrder({ clients: ['a-site', 'b-site'] });
  const records = byClient(makeDone(order, 'x-site'), makeDone(order, 'a-site'), makeFailed(order, 'y-site'));
  assert.deepEqual(countsOf({ order, records }), { asked: 2, done: 1, failed: 0 });
  assert.equal(closeReason({ order, records }, before), undefined);
  assert.deepEqual(absentees({ order, records }), ['b-site']);
});
