import { type Order, orderKey, phaseKey, type SessionRecord, type TaskTemplate } from '@consilium/protocol';
import { phaseOf } from './machine.js';
import { phaseSeed } from './sampling.js';

/** The orders that must stand for this record, by KV key: one a cohort while a phase is in work. */
export function ordersOf(record: SessionRecord): Map<string, Order> {
  const orders = new Map<string, Order>();
  const phase = phaseOf(record);
  if (phase === undefined || record.deadline === null) return orders;
  const model = phase.kind === 'train' ? record.head_weights : record.candidate;
  if (model === null) return orders;
  const template: TaskTemplate = {
    ...phase,
    rounds: record.spec.rounds,
    package: record.package,
    inputs: { weights: model },
    config: record.spec.config,
    random_seed: phaseSeed(phase, record.spec.random_seed),
    deadline: record.deadline,
  };
  for (const { combiner, clients } of record.cohorts) {
    orders.set(orderKey(combiner, phase), {
      schema: 1,
      combiner,
      epoch: record.epoch,
      clients,
      template,
      weighting: record.spec.strategy.weighting,
      max_update_norm: record.spec.max_update_norm ?? null,
      max_examples: record.spec.max_examples,
      // Who stops a session in its validation need not wait for it: what has arrived is committed.
      close: record.stop_requested,
    });
  }
  return orders;
}

/** What must change so that the orders of a session are exactly those of its record. */
export function orderChanges(
  record: SessionRecord,
  standing: ReadonlyMap<string, Order>,
): { put: [string, Order][]; remove: string[] } {
  const wanted = ordersOf(record);
  const put = [...wanted].filter(([key, order]) => {
    const there = standing.get(key);
    return there === undefined || there.epoch !== order.epoch || there.close !== order.close;
  });
  const remove = [...standing.keys()].filter((key) => !wanted.has(key));
  return { put, remove };
}

/** Session of an order or report key (`<combiner>.<session>.<round>.<attempt>.<kind>`). */
export function sessionOfKey(key: string): string {
  return key.split('.')[1] ?? '';
}

/** Whether a report key belongs to the phase that the record is in. */
export function isOfPhase(key: string, record: SessionRecord): boolean {
  const phase = phaseOf(record);
  return phase !== undefined && key.endsWith(`.${phaseKey(phase)}`);
}
