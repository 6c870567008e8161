import { ConsiliumError } from '@consilium/protocol/errors';
import type { Weighting } from '../weights.js';
import { weightings } from '../weights.js';
import type { Strategy } from './types.js';

/**
 * Federated averaging. H. B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas: Communication-Efficient
 * Learning of Deep Networks from Decentralized Data, AISTATS 2017, Algorithm 1:
 *
 *     w_{t+1} = Σ_{k ∈ S_t} (n_k / n) · w^k_{t+1},   n = Σ_{k ∈ S_t} n_k
 *
 * with n_k the training examples of site k and S_t the sites that contributed to the round, over the whole
 * federation. Parameter `weighting`: `examples` (default) as above, or `equal`: n_k = 1.
 * Throws BAD_REQUEST for an unknown parameter or value.
 */
export function fedavg(parameters: Readonly<Record<string, unknown>> = {}): Strategy {
  const { weighting = 'examples', ...others } = parameters;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    throw new ConsiliumError('BAD_REQUEST', `fedavg has no parameter "${unknown}"; it has: weighting.`, {
      where: `strategy.parameters.${unknown}`,
    });
  }
  if (!isWeighting(weighting)) {
    const detail = `It is ${JSON.stringify(weighting)}; possible are: ${weightings.join(', ')}.`;
    throw new ConsiliumError('BAD_REQUEST', detail, { where: 'strategy.parameters.weighting' });
  }
  return {
    name: 'fedavg',
    kind: 'summable',
    parameters: { weighting },
    weightOf: ({ examples }) => (weighting === 'equal' ? 1 : examples),
  };
}

function isWeighting(value: unknown): value is Weighting {
  return weightings.some((known) => known === value);
}
