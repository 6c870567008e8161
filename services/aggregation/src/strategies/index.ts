import { ConsiliumError } from '@consilium/protocol/errors';
import { fedavg } from './fedavg.js';
import type { Strategy, StrategyFactory } from './types.js';

const factories: Readonly<Record<string, StrategyFactory>> = { fedavg };

/** Names that `strategyByName` knows. */
export const strategyNames: readonly string[] = Object.keys(factories);

/** The strategy that a session names. Throws AGG_UNKNOWN_STRATEGY or BAD_REQUEST. */
export function strategyByName(name: string, parameters: Readonly<Record<string, unknown>> = {}): Strategy {
  const factory = Object.hasOwn(factories, name) ? factories[name] : undefined;
  if (factory !== undefined) return factory(parameters);
  const detail = `It is "${name.slice(0, 60)}"; there are: ${strategyNames.join(', ')}.`;
  throw new ConsiliumError('AGG_UNKNOWN_STRATEGY', detail, { where: 'strategy.name' });
}
