import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { apportion, partitionSkewed, stratifiedHoldout } from './partition.js';
import { createRng } from './random.js';

const labels = Array.from({ length: 500 }, (_, i) => (i % 5 < 3 ? 0 : 1));
const sites = [
  { name: 'large', share: 6, classWeights: { 1: 0.2 } },
  { name: 'small', share: 2, classWeights: { 0: 0.1 } },
  { name: 'plain', share: 2 },
];

describe('A skewed partition', () => {
  test('gives every example to exactly one site', () => {
    const all = partitionSkewed(labels, sites, createRng(3))
      .flat()
      .sort((a, b) => a - b);
    assert.deepEqual(
      all,
      labels.map((_, index) => index),
    );
  });

  test('has unequal sites whose class ratios follow the rule', () => {
    const parts = partitionSkewed(labels, sites, createRng(3));
    const ratio = (part: number[]) => part.filter((index) => labels[index] === 1).length / part.length;
    const [large = [], small = [], plain = []] = parts;
    assert.ok(large.length > small.length);
    assert.ok(ratio(large) < 0.25 && ratio(small) > 0.8);
    assert.ok(ratio(plain) > ratio(large) && ratio(plain) < ratio(small));
  });

  test('is the same for the same seed and another for another', () => {
    const deal = (seed: number) => partitionSkewed(labels, sites, createRng(seed));
    assert.deepEqual(deal(1), deal(1));
    assert.notDeepEqual(deal(1), deal(2));
  });
});

describe('A stratified holdout', () => {
  test('takes the same part of every class and overlaps nowhere', () => {
    const { train, test: held } = stratifiedHoldout(labels, 0.3, createRng(0));
    assert.equal(held.filter((index) => labels[index] === 0).length, 90);
    assert.equal(held.filter((index) => labels[index] === 1).length, 60);
    assert.equal(new Set([...train, ...held]).size, labels.length);
  });
});

test('Apportioning hands out exactly the total, in proportion', () => {
  assert.deepEqual(apportion(10, [1, 1, 1]), [4, 3, 3]);
  assert.deepEqual(apportion(7, [5, 0, 2]), [5, 0, 2]);
});
