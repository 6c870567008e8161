import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buckets, type ObjectRef, type ReportObject } from '@consilium/protocol';
import { digest, putObject, reportObject, sessionRecord } from '../testing/fixtures.js';
import { MemoryStore } from '../testing/memory-store.js';
import { readReports } from './reports.js';

const record = sessionRecord({ state: 'reducing', epoch: 1 });

async function read(body: string | Partial<ReportObject>, change: Partial<ObjectRef> = {}, epoch?: number) {
  const store = new MemoryStore();
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(reportObject(body)));
  const ref = await putObject(store, buckets.work, 'report', bytes);
  return readReports(store, record, 'train', [{ ...ref, ...change }], epoch);
}

test('a report of the round that the record is in is read', async () => {
  const [report] = await read({}, {}, 1);
  assert.equal(report?.combiner, 'one');
});

for (const [what, body, detail] of [
  ['of another session', { session: 'other' }, /It is of other, round 1/],
  ['of another round', { round: 2 }, /round 2/],
  ['of another attempt', { attempt: 1 }, /attempt 1/],
  ['of another kind', { kind: 'validate' }, /validate/],
  ['of an epoch whose cohort was handed over', { epoch: 2 }, /It is of epoch 2; the cohorts are of epoch 1/],
  ['that is not JSON', '{"schema":1', /not JSON/],
  ['with a field that nobody knows', { more: 1 } as object, /more/],
] as [string, string | Partial<ReportObject>, RegExp][]) {
  test(`a report ${what} is refused`, async () => {
    await assert.rejects(read(body, {}, 1), { code: 'SESSION_BAD_REPORT', detail });
  });
}

test('a report that is gone or was changed is refused, so that the round is tried again', async () => {
  await assert.rejects(read({}, { key: 'nowhere' }), { code: 'SESSION_BAD_REPORT' });
  await assert.rejects(read({}, { digest }), { code: 'SESSION_BAD_REPORT', detail: /It has digest sha256:/ });
});

test('an outage of the store is no fault of the report', async () => {
  const away = {
    get: async () => {
      throw Object.assign(new Error('away'), { code: 'STORE_UNAVAILABLE' });
    },
  };
  const ref = { bucket: buckets.work, key: 'k', digest, size: 1 };
  await assert.rejects(readReports(away, record, 'train', [ref]), { code: 'STORE_UNAVAILABLE' });
});
