import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventStream, StreamMessage } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import { Audit, type AuditLine, brokenAt } from './audit.js';

/** A stream in memory. Each call takes a turn of the event loop, so that two writers really meet. */
function memoryStream() {
  const values: unknown[] = [];
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const message = (sequence: number): StreamMessage => ({
    sequence,
    subject: 'consilium.audit',
    value: values[sequence - 1],
    time: 0,
  });
  const stream = {
    name: 'AUDIT',
    async publish(_subject: string, value: unknown, options: { expectedLastSequence?: number } = {}) {
      await turn();
      if (options.expectedLastSequence !== values.length) throw new ConsiliumError('BUS_CONFLICT', 'moved');
      values.push(structuredClone(value));
      return { sequence: values.length, duplicate: false };
    },
    async *read({ from = 1 }: { from?: number } = {}) {
      for (let at = from; at <= values.length; at += 1) yield message(at);
    },
    async lastSequence() {
      await turn();
      return values.length;
    },
  };
  return { stream: stream as unknown as EventStream, values: values as AuditLine[] };
}

test('lines follow each other by their hashes', async () => {
  const { stream } = memoryStream();
  const audit = new Audit(stream, 'reducer-1', () => 0);
  await Promise.all([1, 2, 3].map((n) => audit.append('user.created', { n })));
  const lines = await audit.lines();
  assert.deepEqual(
    lines.map(({ seq, details }) => [seq, details.n]),
    [
      [1, 1],
      [2, 2],
      [3, 3],
    ],
  );
  assert.equal(lines[0]?.previous, '0'.repeat(64));
  assert.equal(lines[1]?.previous, lines[0]?.hash);
  assert.equal(brokenAt(lines), undefined);
});

test('two reducers that append at the same time keep one chain, and no line is lost', async () => {
  const { stream } = memoryStream();
  const writers = ['reducer-1', 'reducer-2'].map((name) => new Audit(stream, name, () => 0));
  await Promise.all(writers.flatMap((audit) => [1, 2, 3, 4].map((n) => audit.append('x', { n }))));
  const lines = await writers[0]!.lines();
  assert.equal(lines.length, 8);
  assert.equal(lines.filter(({ reducer }) => reducer === 'reducer-2').length, 4);
  assert.equal(brokenAt(lines), undefined);
});

test('a line that cannot be stored is an error, and the next one is appended all the same', async () => {
  const { stream } = memoryStream();
  const audit = new Audit(stream, 'reducer-1', () => 0);
  const publish = stream.publish;
  stream.publish = async () => {
    throw new ConsiliumError('BUS_UNAVAILABLE', 'away');
  };
  await assert.rejects(audit.append('x', {}), { code: 'BUS_UNAVAILABLE' });
  stream.publish = publish;
  await audit.append('y', {});
  assert.deepEqual(
    (await audit.lines()).map(({ event }) => event),
    ['y'],
  );
});

test('a changed, dropped or swapped line is found', async () => {
  const { stream, values } = memoryStream();
  const audit = new Audit(stream, 'reducer-1', () => 0);
  for (const n of [1, 2, 3]) await audit.append('x', { n });
  const [a, b, c] = values as [AuditLine, AuditLine, AuditLine];
  assert.equal(brokenAt([a, b, c]), undefined);
  assert.equal(brokenAt([a, { ...b, details: { n: 9 } }, c]), 2);
  assert.equal(brokenAt([a, { ...b, at: 'earlier' }, c]), 2);
  assert.equal(brokenAt([a, c]), 2);
  assert.equal(brokenAt([b, a, c]), 1);
  assert.equal(brokenAt([]), undefined);
});
