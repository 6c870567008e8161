import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Slots } from './slots.js';

describe('slots', () => {
  const free = new AbortController().signal;

  test('let no more in than there are, in order', async () => {
    const slots = new Slots(2);
    const order: number[] = [];
    const give: (() => void)[] = [];
    const all = [1, 2, 3, 4].map(async (n) => {
      const release = await slots.take(free);
      order.push(n);
      give.push(release);
    });
    await Promise.all(all.slice(0, 2));
    assert.deepEqual(order, [1, 2]);
    give[1]!();
    give[1]!();
    await all[2];
    assert.deepEqual(order, [1, 2, 3]);
    give[0]!();
    await all[3];
    assert.deepEqual(order, [1, 2, 3, 4]);
  });

  test('a task that is called off while it waits takes none', async () => {
    const slots = new Slots(1);
    const release = await slots.take(free);
    const off = new AbortController();
    const waiting = slots.take(off.signal);
    const last = slots.take(free);
    off.abort(new Error('called off'));
    await assert.rejects(waiting, /called off/);
    release();
    (await last)();
    await assert.rejects(slots.take(off.signal), /called off/);
  });
});
