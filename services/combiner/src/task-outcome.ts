import { canonicalJson } from '@consilium/platform';
import {
  ConsiliumError,
  isErrorCode,
  type ObjectRef,
  type Order,
  type ResultReply,
  type ResultRequest,
  type TaskRecord,
  taskId,
} from '@consilium/protocol';
import type { DoneRequest } from './claim-rules.js';
import { phaseOf } from './phase.js';

/** Longest detail that goes into a record, an event and the trail. */
const DETAIL = 2000;

export type FailedRequest = Extract<ResultRequest, { outcome: 'failed' }>;

/** A result that counts. `update` is null for a validation. */
export function doneRecord(
  order: Order,
  client: string,
  request: DoneRequest,
  update: ObjectRef | null,
  at: string,
): TaskRecord {
  return { ...common(order, client, at), state: 'done', signed: request.signed, update, error: null };
}

/** A failure that the client reported itself. */
export function failedRecord(order: Order, client: string, request: FailedRequest, at: string): TaskRecord {
  const { code, detail } = request.error;
  return ended(order, client, { code, detail, log_tail: request.log_tail }, at);
}

/** A result that was looked at and refused. */
export function refusedRecord(order: Order, client: string, error: ConsiliumError, at: string): TaskRecord {
  return ended(order, client, { code: error.code, detail: detailOf(error), log_tail: '' }, at);
}

/** A client that had sent nothing when its phase closed. */
export function lateRecord(order: Order, client: string, at: string): TaskRecord {
  const detail = 'No result had arrived when the phase closed.';
  return ended(order, client, { code: 'TASK_LATE', detail, log_tail: '' }, at);
}

/** What was wrong and where, without the fixed sentences of the error table. */
export function detailOf(error: ConsiliumError): string {
  const text = error.where === undefined ? error.detail : `${error.detail} (${error.where})`;
  return text.slice(0, DETAIL);
}

/**
 * The answer to a result whose task has ended already: the same outcome again is acknowledged, so that a
 * client that never saw the first answer stops; anything else is refused for good.
 */
export function answerEnded(record: TaskRecord, request: ResultRequest): ResultReply {
  if (record.state === 'done') {
    const same = request.outcome === 'done' && isSameClaim(record, request);
    return same ? { accepted: true } : refuse(endedError(record));
  }
  const { code, detail } = record.error ?? { code: 'TASK_ENDED', detail: '' };
  if (request.outcome === 'failed' && request.error.code === code) return { accepted: true };
  if (!isErrorCode(code)) return refuse(endedError(record));
  return refuse(new ConsiliumError(code, detail));
}

function isSameClaim(record: TaskRecord, request: DoneRequest): boolean {
  return record.signed !== null && canonicalJson(record.signed.claim) === canonicalJson(request.signed.claim);
}

function endedError(record: TaskRecord): ConsiliumError {
  const how =
    record.state === 'done' ? 'an accepted result' : `a failure (${record.error?.code ?? 'unknown'})`;
  return new ConsiliumError('TASK_ENDED', `It ended at ${record.at} with ${how}.`, { where: record.task });
}

/** `accepted: false` with the reason. */
export function refuse(error: ConsiliumError): ResultReply {
  return { accepted: false, error: error.toBody() };
}

function ended(
  order: Order,
  client: string,
  error: { code: string; detail: string; log_tail: string },
  at: string,
): TaskRecord {
  const short = { ...error, detail: error.detail.slice(0, DETAIL) };
  return { ...common(order, client, at), state: 'failed', signed: null, update: null, error: short };
}

function common(order: Order, client: string, at: string) {
  return { schema: 1, task: taskId(phaseOf(order), client), client, combiner: order.combiner, at } as const;
}
