import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsiliumError, type ErrorCode } from '@consilium/protocol';
import { forClient, isTransient, retryDelay } from './transient.js';

test('an absent bus or store may come back; a missing or wrong object will not change', () => {
  for (const code of [
    'BUS_TIMEOUT',
    'BUS_CONFLICT',
    'STORE_UNAVAILABLE',
    'STORE_DISK_FULL',
    'INTERNAL',
  ] as const) {
    assert.equal(isTransient(new ConsiliumError(code, '')), true, code);
  }
  for (const code of [
    'STORE_NOT_FOUND',
    'STORE_DIGEST_MISMATCH',
    'UPDATE_WRONG_KEY',
    'AGG_NOT_FINITE',
  ] as const) {
    assert.equal(isTransient(new ConsiliumError(code, '')), false, code);
  }
});

test('the pause doubles with each failure up to 15 s, half of it random', () => {
  assert.equal(
    retryDelay(1, () => 0),
    125,
  );
  assert.equal(
    retryDelay(1, () => 1),
    250,
  );
  assert.equal(
    retryDelay(4, () => 1),
    2000,
  );
  assert.equal(
    retryDelay(1000, () => 1),
    15_000,
  );
});

test('a client is never told that the combiner itself was denied something: it would give up', () => {
  const seen = (code: ErrorCode) => forClient(new ConsiliumError(code, '')).code;
  assert.equal(seen('STORE_DENIED'), 'STORE_UNAVAILABLE');
  assert.equal(seen('STORE_DISK_FULL'), 'STORE_UNAVAILABLE');
  assert.equal(seen('BUS_CONFLICT'), 'BUS_UNAVAILABLE');
  for (const code of ['BUS_TIMEOUT', 'STORE_UNAVAILABLE', 'INTERNAL'] as const)
    assert.equal(seen(code), code);
});
