import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity } from '@consilium/platform';
import { buckets, manifestContentSchema, type ReportObject } from '@consilium/protocol';
import { makeManifest } from '@consilium/trail';
import { claimOf, digest, reportObject, sessionRecord, signed } from '../testing/fixtures.js';
import { isBetter, roundContent, seedContent } from './content.js';

const reducer = createIdentity('user');
const site = createIdentity('user');
const weights = { digest, size: 100, parameters: 2 };
const update = { bucket: buckets.work, key: 'updates/u', digest, size: 9 };

function result(client: string, examples: number, loss: number): ReportObject['results'][number] {
  const claim = claimOf(client, { num_examples: examples, metrics: { loss }, update: digest });
  return { client, weight: examples, signed: signed(claim, site), update };
}
function validated(client: string, examples: number, accuracy: number): ReportObject['results'][number] {
  const claim = claimOf(client, { kind: 'validate', num_examples: examples, metrics: { accuracy } });
  return { client, weight: examples, signed: signed(claim, site), update: null };
}
const absence = (client: string, kind: 'train' | 'validate' = 'train') => ({
  client,
  kind,
  code: 'X',
  detail: '',
});

const one = reportObject({ combiner: 'one', results: [result('b', 10, 1), result('d', 30, 3)] });
const two = reportObject({
  combiner: 'two',
  results: [result('a', 60, 0)],
  absences: [absence('z'), absence('c')],
});
const check = reportObject({ kind: 'validate', results: [validated('b', 1, 1), validated('a', 3, 0)] });
const record = sessionRecord({
  state: 'committing',
  head: { number: 4, id: 'b'.repeat(64), manifest_digest: digest },
});

test('the content names the parent, every contribution, and means weighted by examples', () => {
  const content = roundContent(record, [one, two], [check], weights, reducer.publicKey);
  assert.ok(manifestContentSchema.safeParse(content).success);
  assert.equal(content.number, 5);
  assert.deepEqual(content.parents, ['b'.repeat(64)]);
  assert.equal(content.num_examples, 100);
  assert.deepEqual(
    content.contributions.map(({ client, combiner, weight }) => [client, combiner, weight]),
    [
      ['a', 'two', 60],
      ['b', 'one', 10],
      ['d', 'one', 30],
    ],
  );
  assert.deepEqual(content.training_metrics, { loss: 1 });
  assert.deepEqual(content.metrics, { accuracy: 0.25 });
  assert.deepEqual(
    content.validation.map(({ claim }) => claim.client),
    ['a', 'b'],
  );
  assert.equal(content.created_at, record.updated_at);
});

test('whatever order reports and results come in, the model has the same id', () => {
  const flipped = [one, two]
    .reverse()
    .map((report) => ({ ...report, results: [...report.results].reverse() }));
  const idOf = (reports: ReportObject[], checks: ReportObject[]) =>
    makeManifest(roundContent(record, reports, checks, weights, reducer.publicKey), reducer).id;
  const id = idOf([one, two], [check]);
  assert.equal(idOf(flipped, [{ ...check, results: [...check.results].reverse() }]), id);
});

test('absences come by kind and then by name', () => {
  const late = reportObject({ kind: 'validate', absences: [absence('a', 'validate')] });
  const content = roundContent(record, [two], [late], weights, reducer.publicKey);
  assert.deepEqual(
    content.absences.map(({ kind, client }) => `${kind} ${client}`),
    ['train c', 'train z', 'validate a'],
  );
});

test('a client in the reports of two combiners is refused, whether its update counted or not', () => {
  for (const again of [result('a', 5, 0), { ...result('a', 5, 0), update: null }]) {
    const twice = reportObject({ combiner: 'three', results: [again] });
    assert.throws(() => roundContent(record, [two, twice], [], weights, reducer.publicKey), {
      code: 'SESSION_DOUBLE_CONTRIBUTION',
      detail: 'a is in the reports of two and three.',
    });
  }
});

test('a client that is twice in one report is refused', () => {
  const twice = reportObject({ results: [result('a', 5, 0), result('a', 5, 0)] });
  assert.throws(() => roundContent(record, [twice], [], weights, reducer.publicKey), {
    code: 'SESSION_DOUBLE_CONTRIBUTION',
  });
});

test('a client that validated at two combiners after a handover is told once', () => {
  const again = reportObject({ kind: 'validate', combiner: 'two', results: [validated('a', 3, 1)] });
  const content = roundContent(record, [one], [check, again], weights, reducer.publicKey);
  assert.deepEqual(
    content.validation.map(({ claim }) => claim.client),
    ['a', 'b'],
  );
});

test('a seed model is number 0 and has no parent', () => {
  const content = seedContent(record, weights, reducer.publicKey);
  assert.ok(manifestContentSchema.safeParse(content).success);
  assert.deepEqual([content.number, content.parents, content.previous_manifest], [0, [], null]);
});

test('better is what the direction says; a tie, no value and no selection are not', () => {
  const up = { metric: 'auc', direction: 'maximize' as const };
  const down = { metric: 'auc', direction: 'minimize' as const };
  assert.equal(isBetter(up, { auc: 0.9 }, { value: 0.8 }), true);
  assert.equal(isBetter(up, { auc: 0.7 }, { value: 0.8 }), false);
  assert.equal(isBetter(down, { auc: 0.7 }, { value: 0.8 }), true);
  assert.equal(isBetter(down, { auc: 0.9 }, { value: 0.8 }), false);
  assert.equal(isBetter(up, { auc: 0.8 }, { value: 0.8 }), false);
  assert.equal(isBetter(up, { auc: 0 }, null), true);
  assert.equal(isBetter(up, { loss: 1 }, null), false);
  assert.equal(isBetter(up, { auc: Number.NaN }, null), false);
  assert.equal(isBetter(undefined, { auc: 1 }, null), false);
});
