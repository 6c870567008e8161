import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientRecord, CombinerRecord, Presence } from '@consilium/protocol';
import type { Mirror } from '../mirror.js';
import { Fleet } from './fleet.js';

const at = '2026-01-01T00:00:00.000Z';
const mirrorOf = <T>(values: Record<string, T>) =>
  ({ get: (key: string) => values[key], values: () => Object.values(values) }) as unknown as Mirror<T>;

interface Setup {
  /** Client to the combiner it was given, null for none. */
  readonly assigned?: Record<string, string | null>;
  readonly revoked?: readonly string[];
  readonly present?: Record<string, string>;
  readonly combiners?: readonly string[];
}

function fleet({ assigned = {}, revoked = [], present = {}, combiners = ['one', 'two'] }: Setup): Fleet {
  const clients = Object.entries(assigned).map(([client, combiner]) => {
    const revoked_at = revoked.includes(client) ? at : null;
    return [client, { client, combiner, revoked_at } as ClientRecord] as const;
  });
  const here = Object.entries(present).map(([client, combiner]) => [
    client,
    { client, combiner } as Presence,
  ]);
  const alive = combiners.map((combiner) => [combiner, { combiner } as CombinerRecord]);
  return new Fleet(
    mirrorOf(Object.fromEntries(clients)),
    mirrorOf(Object.fromEntries(here)),
    mirrorOf(Object.fromEntries(alive)),
  );
}

test('a client gets the combiner it prefers while that lives', () => {
  const assigned = { a: 'one' };
  assert.equal(fleet({ assigned }).combinerFor('a', 'two'), 'two');
  assert.equal(fleet({ assigned }).combinerFor('a', 'gone'), 'one');
});

test('a client that comes back keeps its combiner, and gets another when that has gone', () => {
  assert.equal(fleet({ assigned: { a: 'two', b: 'two', c: 'two' } }).combinerFor('a', undefined), 'two');
  assert.equal(fleet({ assigned: { a: 'gone' } }).combinerFor('a', undefined), 'one');
});

test('a new client gets the combiner with the fewest clients, those that are away included', () => {
  const assigned = { a: 'one', b: 'one', c: 'two' };
  assert.equal(fleet({ assigned }).combinerFor('new', undefined), 'two');
});

test('a tie goes to the first name, and clients that were shut out are no load', () => {
  assert.equal(fleet({ combiners: ['two', 'one'] }).combinerFor('new', undefined), 'one');
  const assigned = { a: 'one', b: 'one', c: 'two' };
  assert.equal(fleet({ assigned, revoked: ['a', 'b'] }).combinerFor('new', undefined), 'one');
});

test('without combiners there is none to give', () => {
  assert.equal(fleet({ combiners: [] }).combinerFor('a', 'one'), undefined);
});

test('available are those who are present at a living combiner, enrolled and not shut out', () => {
  const setup = {
    assigned: { a: 'one', b: 'one', c: 'two', d: 'one' },
    revoked: ['b'],
    present: { a: 'one', b: 'one', c: 'gone', stranger: 'one' },
  };
  assert.deepEqual(fleet(setup).available(), [{ client: 'a', combiner: 'one' }]);
});
