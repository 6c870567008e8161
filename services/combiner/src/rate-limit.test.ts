import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from './rate-limit.js';

test('a burst passes, then what the rate allows, for each key apart', () => {
  const limit = new RateLimit(2, 3);
  assert.deepEqual(
    [0, 0, 0, 0].map((now) => limit.allows('a', now)),
    [true, true, true, false],
  );
  assert.equal(limit.allows('b', 0), true);
  assert.equal(limit.allows('a', 499), false);
  assert.equal(limit.allows('a', 500), true);
  assert.deepEqual(
    [60_000, 60_000, 60_000, 60_000].map((now) => limit.allows('a', now)),
    [true, true, true, false],
  );
});
