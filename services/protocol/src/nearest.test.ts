import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.js';

test('the nearest name is found, a far one is not', () => {
  assert.equal(nearest('learning-rate', ['epochs', 'learning_rate']), 'learning_rate');
  assert.equal(nearest('x', ['epochs']), undefined);
});
