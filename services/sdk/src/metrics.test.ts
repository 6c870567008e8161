import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  binaryCounts,
  binaryReport,
  classReport,
  confusionMatrix,
  f1Score,
  logLoss,
  rocAuc,
} from './metrics.js';
import { createRng } from './random.js';

/** Every pair of a positive and a negative, compared one by one. */
function pairwiseAuc(scores: number[], labels: number[]): number {
  let wins = 0;
  let pairs = 0;
  for (const [i, a] of scores.entries()) {
    for (const [j, b] of scores.entries()) {
      if (labels[i] !== 1 || labels[j] !== 0) continue;
      pairs++;
      wins += a > b ? 1 : a === b ? 0.5 : 0;
    }
  }
  return wins / pairs;
}

describe('AUC', () => {
  test('equals the share of pairs in the right order, ties counted half', () => {
    const rng = createRng(1);
    for (let round = 0; round < 20; round++) {
      const labels = Array.from({ length: 60 }, () => rng.int(2));
      const scores = labels.map((label) => rng.int(8) + label * 2);
      assert.ok(Math.abs((rocAuc(scores, labels) as number) - pairwiseAuc(scores, labels)) < 1e-12);
    }
  });

  test('is one for a perfect order, a half for equal scores, zero for a reversed one', () => {
    assert.equal(rocAuc([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]), 1);
    assert.equal(rocAuc([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1]), 0.5);
    assert.equal(rocAuc([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1]), 0);
  });

  test('does not exist where only one class is there', () => {
    assert.equal(rocAuc([0.1, 0.2], [1, 1]), undefined);
    assert.equal('auc' in binaryReport([0.1, 0.2], [1, 1]), false);
  });
});

describe('Metrics of a decision', () => {
  test('count each kind of hit and miss', () => {
    const counts = binaryCounts([0.9, 0.4, 0.6, 0.1, 0.5], [1, 1, 0, 0, 1]);
    assert.deepEqual(counts, { truePositives: 2, falsePositives: 1, trueNegatives: 1, falseNegatives: 1 });
    assert.equal(f1Score(counts), 4 / 6);
  });

  test('give the loss in nats and stay finite at certainty', () => {
    assert.ok(Math.abs(logLoss([0.5, 0.5], [0, 1]) - Math.LN2) < 1e-12);
    assert.ok(Number.isFinite(logLoss([0, 1], [1, 0])));
  });

  test('refuse labels that are no class, scores that are no number, and lists of unequal length', () => {
    assert.throws(() => rocAuc([0.1], [2]), { code: 'SDK_BAD_METRIC_INPUT' });
    assert.throws(() => rocAuc([Number.NaN], [1]), { code: 'SDK_BAD_METRIC_INPUT' });
    assert.throws(() => rocAuc([0.1, 0.2], [1]), { code: 'SDK_BAD_METRIC_INPUT' });
    assert.throws(() => confusionMatrix([3], [0], 3), { code: 'SDK_BAD_METRIC_INPUT' });
  });

  test('average F1 over the classes that occur', () => {
    const report = classReport([0.7, 0.2, 0.1, 0.1, 0.8, 0.1, 0.6, 0.3, 0.1], [0, 1, 1], 3);
    assert.equal(report.accuracy, 2 / 3);
    assert.ok(Math.abs(report.f1 - (2 / 3 + 2 / 3) / 2) < 1e-12);
    assert.ok(Math.abs(report.loss + (Math.log(0.7) + Math.log(0.8) + Math.log(0.3)) / 3) < 1e-12);
  });
});
