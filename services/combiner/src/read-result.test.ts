import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity } from '@consilium/platform';
import { readResult } from './read-result.js';
import { makeClaim, makeOrder, makeResult } from './testing/fixtures.js';

const good = makeResult(makeClaim(makeOrder(), 'a-site'), 'trial.2.0.train.a-site', createIdentity('user'));

/** The message as it arrives: through JSON, with one text replaced. */
function received(from = '', to = ''): unknown {
  return JSON.parse(JSON.stringify(good).replace(from, to));
}

function refusal(value: unknown): { code: string; where: string | undefined; task: string | undefined } {
  const read = readResult(value);
  assert.ok('refused' in read);
  return { code: read.refused.code, where: read.refused.where, task: read.task };
}

test('a result survives the way through JSON', () => {
  const read = readResult(received());
  assert.ok('request' in read);
  assert.deepEqual(read.request, good);
});

test('metrics that are not finite are refused as such, and the task is kept', () => {
  for (const value of ['null', '1e999', '"0.5"']) {
    const found = refusal(received('"loss":0.5', `"loss":${value}`));
    assert.deepEqual(found, {
      code: 'UPDATE_BAD_METRICS',
      where: 'signed.claim.metrics.loss',
      task: 'trial.2.0.train.a-site',
    });
  }
});

test('example counts that are no counts are refused as such', () => {
  for (const value of ['-1', '1.5', 'null', '1e12']) {
    assert.equal(
      refusal(received('"num_examples":10', `"num_examples":${value}`)).code,
      'UPDATE_BAD_EXAMPLES',
    );
  }
});

test('a claim without a signature is no claim', () => {
  const { outcome, task, signed } = good;
  const unsigned = { outcome, task, signed: { claim: signed.claim, key: signed.key } };
  assert.deepEqual(refusal(unsigned), { code: 'UPDATE_BAD_CLAIM', where: 'signed.signature', task });
});

test('what is no message at all is refused without a task', () => {
  for (const value of [null, 7, 'result', [], { task: 5 }]) {
    assert.deepEqual(
      { ...refusal(value), where: '' },
      { code: 'UPDATE_BAD_CLAIM', where: '', task: undefined },
    );
  }
});
