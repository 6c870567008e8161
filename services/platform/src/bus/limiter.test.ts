import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limiter } from './limiter.js';

test('no more than the limit run at once, in order, and idle waits for the last', async () => {
  const limiter = new Limiter(2);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  for (let n = 0; n < 6; n += 1) {
    limiter.run(async () => {
      running += 1;
      most = Math.max(most, running);
      order.push(n);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    });
  }
  assert.equal(limiter.busy, true);
  await limiter.idle();
  assert.deepEqual([order, most, running, limiter.busy], [[0, 1, 2, 3, 4, 5], 2, 0, false]);
});
