import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity } from '@consilium/platform';
import { ConsiliumError, type ResultRequest, taskRecordSchema } from '@consilium/protocol';
import { answerEnded, doneRecord, failedRecord, lateRecord, refusedRecord } from './task-outcome.js';
import { makeClaim, makeOrder, makeResult } from './testing/fixtures.js';

const at = '2026-01-01T00:30:00Z';
const order = makeOrder();
const client = 'a-site';
const task = 'trial.2.0.train.a-site';
const site = createIdentity('user');
const first = makeResult(makeClaim(order, client), task, site);
const retrained = makeResult(makeClaim(order, client, { num_examples: 11 }), task, site);
const failure = (code: string): Extract<ResultRequest, { outcome: 'failed' }> => ({
  outcome: 'failed',
  task,
  error: { code, message: '', detail: 'no data', fix: '' },
  log_tail: 'Traceback',
});

test('every outcome is a valid record under the task’s own id', () => {
  const error = new ConsiliumError('UPDATE_WRONG_BASE', 'x'.repeat(10_000));
  const records = [
    doneRecord(order, client, first, null, at),
    failedRecord(order, client, failure('CLIENT_NO_DATA'), at),
    refusedRecord(order, client, error, at),
    lateRecord(order, client, at),
  ];
  for (const record of records) {
    assert.deepEqual(taskRecordSchema.parse(record), record);
    assert.equal(record.task, task);
    assert.ok((record.error?.detail.length ?? 0) <= 2000);
  }
});

test('the accepted result again is acknowledged; another result after it is refused', () => {
  const record = doneRecord(order, client, first, null, at);
  assert.deepEqual(answerEnded(record, structuredClone(first)), { accepted: true });
  for (const other of [retrained, failure('CLIENT_NO_DATA')]) {
    const reply = answerEnded(record, other);
    assert.equal(reply.accepted, false);
    assert.equal(reply.error?.code, 'TASK_ENDED');
  }
});

test('a reported failure again is acknowledged; a result after it is refused', () => {
  const record = failedRecord(order, client, failure('CLIENT_NO_DATA'), at);
  assert.deepEqual(answerEnded(record, failure('CLIENT_NO_DATA')), { accepted: true });
  assert.equal(answerEnded(record, first).accepted, false);
});

test('a refused result gets the same answer each time it is sent', () => {
  const refused = refusedRecord(order, client, new ConsiliumError('UPDATE_WRONG_BASE', 'it is old'), at);
  const reply = answerEnded(refused, first);
  assert.equal(reply.accepted, false);
  assert.equal(reply.error?.code, 'UPDATE_WRONG_BASE');
  assert.equal(reply.error?.detail, 'it is old');
});

test('a result after the closing of its phase is late', () => {
  const reply = answerEnded(lateRecord(order, client, at), first);
  assert.equal(reply.accepted, false);
  assert.equal(reply.error?.code, 'TASK_LATE');
});
