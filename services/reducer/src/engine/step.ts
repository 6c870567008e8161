import type { KvBucket, Logger } from '@consilium/platform';
import type { ConsiliumError, ObjectRef, SessionEvent, SessionRecord } from '@consilium/protocol';
import { prepareCommit, type TrailWriter, writeHeads } from './commit.js';
import { afterReducing, decide, type Observation, retryRound } from './machine.js';
import type { ReduceJob } from './reduce-worker.js';
import { readReports } from './reports.js';
import { eventsOfStep, sessionEvent, type Versioned } from './sessions.js';

/** What a step needs from the outside. */
export interface StepDeps {
  readonly sessions: KvBucket<SessionRecord>;
  readonly writer: TrailWriter;
  readonly observe: (record: SessionRecord) => Observation;
  readonly reduce: (job: Omit<ReduceJob, 'store' | 'tmpDir' | 'memoryBytes'>) => Promise<ObjectRef>;
  readonly publish: (event: SessionEvent) => void;
  readonly log: Logger;
}

/**
 * Errors of the data of a round, not of the machinery: the round is tried again, not the step, which would fail
 * for ever. An object that is gone or has other bytes does not come back.
 */
function spoilsRound(error: unknown): error is ConsiliumError {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && spoiling.test(code);
}

const spoiling =
  /^(AGG|NPZ)_(?!SOURCE$)|^SESSION_(DOUBLE_CONTRIBUTION|BAD_REPORT)$|^STORE_(NOT_FOUND|DIGEST_MISMATCH|SIZE_MISMATCH|PRECONDITION)$/;

/**
 * Makes at most one step of a session: one decision, one compare-and-set. Returns the record as it then is,
 * or undefined when there is nothing to do now.
 * @throws BUS_CONFLICT when somebody else moved the record, and errors of bus and store
 */
export async function step(
  deps: StepDeps,
  current: Versioned<SessionRecord>,
): Promise<SessionRecord | undefined> {
  const record = current.value;
  const decision = decide(record, deps.observe(record));
  switch (decision.do) {
    case 'wait':
      return undefined;
    case 'move':
      await store(deps, current, decision.record, decision.failure);
      return decision.record;
    case 'reduce':
      return reduceRound(deps, current);
    case 'commit':
      return commitRound(deps, current);
  }
}

async function store(
  deps: StepDeps,
  current: Versioned<SessionRecord>,
  next: SessionRecord,
  failure?: string,
): Promise<void> {
  await deps.sessions.update(next.id, next, current.revision);
  for (const event of eventsOfStep(current.value, next, failure)) deps.publish(event);
}

async function reduceRound(deps: StepDeps, current: Versioned<SessionRecord>): Promise<SessionRecord> {
  const record = current.value;
  try {
    const reports = await readReports(deps.writer.store, record, 'train', record.reports, record.epoch);
    const partials = reports.flatMap((report) => (report.partial === null ? [] : [report.partial]));
    const { id: session, round, head_weights: base } = record;
    const candidate = await deps.reduce({ session, round, base, partials });
    const next = afterReducing(record, deps.observe(record), candidate);
    await store(deps, current, next);
    return next;
  } catch (error) {
    if (!spoilsRound(error)) throw error;
    return giveUpRound(deps, current, error);
  }
}

async function giveUpRound(
  deps: StepDeps,
  current: Versioned<SessionRecord>,
  error: ConsiliumError,
): Promise<SessionRecord> {
  const why = `round ${current.value.round}: ${error.message}`;
  deps.log.error({ session: current.value.id, code: error.code }, why);
  const retry = retryRound(current.value, deps.observe(current.value), why);
  await store(deps, current, retry.record, why);
  return retry.record;
}

/** The commit point is the `update`: before it nothing counts, after it heads and events follow. */
async function commitRound(deps: StepDeps, current: Versioned<SessionRecord>): Promise<SessionRecord> {
  const record = current.value;
  let prepared: Awaited<ReturnType<typeof prepareCommit>>;
  try {
    prepared = await prepareCommit(deps.writer, record);
  } catch (error) {
    if (!spoilsRound(error)) throw error;
    return giveUpRound(deps, current, error);
  }
  const { model, next, isBest } = prepared;
  await deps.sessions.update(next.id, next, current.revision);
  // Told first: heads is written again when this fails, the event is not.
  deps.publish(
    sessionEvent(record, next.updated_at, {
      event: 'model.committed',
      number: model.head.number,
      id: model.head.id,
      num_examples: model.content.num_examples,
      contributions: model.content.contributions.length,
      metrics: model.content.metrics,
      best: isBest,
    }),
  );
  await writeHeads(deps.writer, next, model.content.created_at);
  return next;
}
