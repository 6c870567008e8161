import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KvBucket, KvChange } from '@consilium/platform';
import { Mirror } from './mirror.js';
import { silent } from './testing/fixtures.js';

type Value = string | undefined;

/** A bucket whose watches tell what the test says; each new watch takes the next script. */
function scripted(...scripts: (KvChange<Value> | Error)[][]) {
  const seen: number[] = [];
  const bucket = {
    name: 'scripted',
    async *watch({ signal }: { signal: AbortSignal }) {
      seen.push(seen.length);
      for (const item of scripts.shift() ?? []) {
        if (item instanceof Error) throw item;
        yield item;
      }
      if (!signal.aborted && scripts.length === 0) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      }
    },
  };
  return { bucket: bucket as unknown as KvBucket<Value>, seen };
}
const put = (key: string, value: Value, revision: number): KvChange<Value> => ({
  type: 'put',
  key,
  entry: { key, value, revision, created: 0 },
});
const current: KvChange<Value> = { type: 'current' };

test('it is ready once all that was there is known, and tells every change', async () => {
  let changes = 0;
  const { bucket } = scripted([put('a', '1', 1), put('b', '2', 2), current, { type: 'delete', key: 'a' }]);
  const mirror = new Mirror<string>(bucket);
  await mirror.start(() => (changes += 1), silent);
  assert.deepEqual(mirror.values().includes('2'), true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(mirror.entries(), [['b', '2']]);
  assert.equal(changes, 4);
  await mirror.stop();
});

test('an entry that cannot be read is left out and hides no other', async () => {
  const { bucket } = scripted([put('a', '1', 1), put('bad', undefined, 2), put('c', '3', 3), current]);
  const mirror = new Mirror<string>(bucket);
  await mirror.start(() => undefined, silent);
  assert.deepEqual([...mirror.keys()].sort(), ['a', 'c']);
  await mirror.stop();
});

test('an entry that can no longer be read disappears', async () => {
  const { bucket } = scripted([put('a', '1', 1), current, put('a', undefined, 2)]);
  const mirror = new Mirror<string>(bucket);
  await mirror.start(() => undefined, silent);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(mirror.get('a'), undefined);
  await mirror.stop();
});

test('after a watch broke, what was deleted meanwhile is gone', async () => {
  const { bucket, seen } = scripted(
    [put('a', '1', 1), put('b', '2', 2), current, new Error('broken')],
    [put('b', '2', 2), current],
  );
  const mirror = new Mirror<string>(bucket);
  await mirror.start(() => undefined, silent);
  while (seen.length < 2 || mirror.get('a') !== undefined)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(mirror.entries(), [['b', '2']]);
  await mirror.stop();
});

test('what this process wrote is known at once, and an older change does not undo it', async () => {
  let more: (change: KvChange<Value>) => void = () => undefined;
  const bucket = {
    name: 'live',
    async *watch({ signal }: { signal: AbortSignal }) {
      yield current;
      while (!signal.aborted) {
        yield await new Promise<KvChange<Value>>((resolve) => {
          more = resolve;
          signal.addEventListener('abort', () => resolve(current), { once: true });
        });
      }
    },
  } as unknown as KvBucket<Value>;
  const mirror = new Mirror<string>(bucket);
  await mirror.start(() => undefined, silent);
  await new Promise((resolve) => setImmediate(resolve));
  mirror.set('a', 'new', 5);
  more(put('a', 'old', 4));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(mirror.get('a'), 'new');
  await mirror.stop();
});

test('it can be stopped before it was ready', async () => {
  const { bucket } = scripted([]);
  const mirror = new Mirror<string>(bucket);
  const started = mirror.start(() => undefined, silent);
  await mirror.stop();
  await started;
});
