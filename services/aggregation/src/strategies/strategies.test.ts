import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { strategyByName, strategyNames } from './index.js';

describe('strategies', () => {
  it('fedavg is summable and weighs by examples unless told to weigh all the same', () => {
    const byDefault = strategyByName('fedavg');
    assert.equal(byDefault.kind, 'summable');
    assert.deepEqual(byDefault.parameters, { weighting: 'examples' });
    assert.equal(byDefault.weightOf({ examples: 120 }), 120);
    assert.equal(strategyByName('fedavg', { weighting: 'equal' }).weightOf({ examples: 120 }), 1);
  });

  it('refuse parameters that they do not have', () => {
    assert.throws(() => strategyByName('fedavg', { mu: 1 }), {
      code: 'BAD_REQUEST',
      where: 'strategy.parameters.mu',
    });
    assert.throws(() => strategyByName('fedavg', { weighting: 'steps' }), { code: 'BAD_REQUEST' });
  });

  it('are found by their names only', () => {
    assert.deepEqual(strategyNames, ['fedavg']);
    for (const name of ['FedAvg', 'constructor', '']) {
      assert.throws(() => strategyByName(name), { code: 'AGG_UNKNOWN_STRATEGY', detail: /fedavg/ });
    }
  });
});
