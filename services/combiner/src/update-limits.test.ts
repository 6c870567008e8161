import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeOrder } from './testing/fixtures.js';
import { namedObject } from './update-limits.js';

test('a task names its package and its inputs, and no other object', () => {
  const order = makeOrder();
  assert.equal(namedObject(order, 'package.archive')?.key, 'net.tgz');
  assert.equal(namedObject(order, 'package.manifest')?.key, 'net.json');
  assert.equal(namedObject(order, 'inputs.weights')?.key, 'base.npz');
  for (const name of ['inputs.control', 'inputs.constructor', 'inputs.__proto__', 'inputs.', 'weights', '']) {
    assert.equal(namedObject(order, name), undefined, name);
  }
});
