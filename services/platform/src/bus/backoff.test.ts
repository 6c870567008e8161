import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackoff } from './backoff.js';

test('delays double up to the cap, half fixed and half random, and start anew after a success', () => {
  const run = (random: number): number[] => {
    const backoff = createBackoff({ base: 100, cap: 1_000, random: () => random });
    const delays = [backoff.delay()];
    for (let i = 0; i < 6; i += 1) {
      backoff.attempt();
      delays.push(backoff.delay());
    }
    backoff.succeeded();
    return [...delays, backoff.delay()];
  };
  assert.deepEqual(run(0), [0, 50, 100, 200, 400, 500, 500, 0]);
  assert.deepEqual(run(0.999), [0, 100, 200, 400, 800, 1000, 1000, 0]);
});

test('the delay stays the same until the next attempt, however often it is asked for', () => {
  const backoff = createBackoff({ base: 100, cap: 1_000, random: Math.random });
  backoff.attempt();
  const first = backoff.delay();
  assert.ok([1, 2, 3].every(() => backoff.delay() === first));
});
