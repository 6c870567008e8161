import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalJson } from '@consilium/platform';
import { reportObjectSchema } from '@consilium/protocol';
import { makeReportObject, weightedUpdates } from './report-object.js';
import { byClient, digest, makeDone, makeFailed, makeOrder } from './testing/fixtures.js';

const partial = { bucket: 'consilium-work' as const, key: 'p', digest: digest('6'), size: 5 };

test('updates are in the order of names, whatever the order of arrival and of the order', () => {
  const order = makeOrder();
  const records = [
    makeDone(order, 'c-site', { num_examples: 3 }),
    makeDone(order, 'a-site', { num_examples: 8 }),
  ];
  const one = weightedUpdates({ order, records: byClient(...records) });
  const two = weightedUpdates({ order, records: byClient(...records.toReversed()) });
  assert.deepEqual(
    one.map(({ client, weight }) => [client, weight]),
    [
      ['a-site', 8],
      ['c-site', 3],
    ],
  );
  assert.deepEqual(two, one);
});

test('equal weighting gives every site the weight 1 in training, not in validation', () => {
  const train = makeOrder({ weighting: 'equal' });
  const validate = makeOrder({ weighting: 'equal' }, { kind: 'validate' });
  const weights = (order: typeof train) =>
    makeReportObject(
      { order, records: byClient(...order.clients.map((c) => makeDone(order, c, { num_examples: 40 }))) },
      null,
    ).results.map(({ weight }) => weight);
  assert.deepEqual(weights(train), [1, 1, 1]);
  assert.deepEqual(weights(validate), [40, 40, 40]);
});

test('the report names what counts and why the rest does not, in bytes that do not depend on arrival', () => {
  const order = makeOrder();
  const records = [
    makeFailed(order, 'c-site'),
    makeDone(order, 'b-site'),
    makeFailed(order, 'a-site', 'TASK_LATE'),
  ];
  const report = makeReportObject({ order, records: byClient(...records) }, partial);
  assert.deepEqual(reportObjectSchema.parse(report), report);
  assert.deepEqual(
    report.results.map(({ client }) => client),
    ['b-site'],
  );
  assert.deepEqual(report.absences, [
    { client: 'a-site', kind: 'train', code: 'TASK_LATE', detail: 'it broke' },
    { client: 'c-site', kind: 'train', code: 'CLIENT_SOMETHING', detail: 'it broke' },
  ]);
  const again = makeReportObject({ order, records: byClient(...records.toReversed()) }, partial);
  assert.equal(canonicalJson(again), canonicalJson(report));
});

test('a phase with a client that has not ended cannot be reported', () => {
  const order = makeOrder();
  assert.throws(() => makeReportObject({ order, records: byClient(makeDone(order, 'a-site')) }, null), {
    code: 'INTERNAL',
  });
});
