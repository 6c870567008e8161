import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseWeights } from './weights.js';

describe('weights from the command line', () => {
  it('become the smallest whole numbers in the same proportions', () => {
    assert.deepEqual(parseWeights(['120', '60']), [2, 1]);
    assert.deepEqual(parseWeights(['0.1', '0.25', '1']), [2, 5, 20]);
    assert.deepEqual(parseWeights(['1e-2', '+3.', ' 2.50e1 ']), [1, 300, 2500]);
    assert.deepEqual(parseWeights(['7']), [1]);
    assert.deepEqual(parseWeights(['2147483648', '1']), [2 ** 31, 1]);
  });

  it('are refused when they are not positive decimal numbers, naming which', () => {
    for (const text of ['0', '-1', '0.0', 'x', '', 'NaN', '1/3', '0x10', '1e999']) {
      assert.throws(() => parseWeights(['1', text]), { code: 'AGG_BAD_WEIGHT', where: 'weight 2' });
    }
  });

  it('are refused when no whole numbers up to 2^31 have their proportions', () => {
    assert.throws(() => parseWeights(['1', '0.0000000001']), { code: 'AGG_BAD_WEIGHT', where: 'weight 1' });
  });
});
