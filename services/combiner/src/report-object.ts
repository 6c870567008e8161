import {
  type Absence,
  ConsiliumError,
  type ObjectRef,
  type ReportObject,
  type TaskRecord,
} from '@consilium/protocol';
import { type Phase, phaseOf } from './phase.js';

/** An accepted update and the whole number it is weighted with. */
export interface WeightedUpdate {
  readonly client: string;
  readonly update: ObjectRef;
  readonly weight: number;
}

/**
 * Accepted updates of a training phase in the order of their clients' names (code points): the order of
 * arrival leaves no trace, so a restarted combiner makes the same partial.
 */
export function weightedUpdates(phase: Phase): WeightedUpdate[] {
  return doneRecords(phase).flatMap((record) =>
    record.update === null
      ? []
      : [{ client: record.client, update: record.update, weight: weightOf(phase, record) }],
  );
}

/**
 * What a closed phase amounts to. Pure, and a function of order and records alone: a combiner that was killed
 * while closing writes the same bytes again.
 *
 * @throws ConsiliumError INTERNAL when a client has no record yet; a phase is closed by giving it one.
 */
export function makeReportObject(phase: Phase, partial: ObjectRef | null): ReportObject {
  const { order } = phase;
  const absences: Absence[] = [];
  for (const client of sortedClients(phase)) {
    const record = phase.records.get(client);
    if (record === undefined) throw new ConsiliumError('INTERNAL', `"${client}" has no outcome.`);
    if (record.state === 'done') continue;
    const { code, detail } = record.error ?? { code: 'INTERNAL', detail: 'no reason recorded' };
    absences.push({ client, kind: order.template.kind, code, detail: detail.slice(0, 4000) });
  }
  const results = doneRecords(phase).map((record) => {
    if (record.signed === null)
      throw new ConsiliumError('INTERNAL', `${record.task} is done without a claim.`);
    const { client, signed, update } = record;
    return { client, weight: weightOf(phase, record), signed, update };
  });
  const { combiner, epoch } = order;
  return { schema: 1, combiner, epoch, ...phaseOf(order), results, absences, partial };
}

function doneRecords(phase: Phase): TaskRecord[] {
  return sortedClients(phase).flatMap((client) => {
    const record = phase.records.get(client);
    return record?.state === 'done' ? [record] : [];
  });
}

/** Metrics of a validation are always weighted by examples; `equal` is about training. */
function weightOf({ order }: Phase, record: TaskRecord): number {
  const equal = order.weighting === 'equal' && order.template.kind === 'train';
  return equal ? 1 : (record.signed?.claim.num_examples ?? 0);
}

/** Code-point order; names are ASCII. A name listed twice counts once. */
function sortedClients({ order }: Phase): string[] {
  return [...new Set(order.clients)].sort();
}
