import type { Cohort, ObjectRef, PhaseRef, Report, SessionRecord, TaskKind } from '@consilium/protocol';
import { type AvailableClient, groupByCombiner, sampleClients, sampleSize } from './sampling.js';

/** What the reducer can see when it decides on a session. */
export interface Observation {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Connected, not revoked, at a living combiner. */
  readonly clients: readonly AvailableClient[];
  /** Combiners whose heartbeat is fresh. */
  readonly combiners: readonly string[];
  /** Reports of the phase in work, by combiner. */
  readonly reports: ReadonlyMap<string, Report>;
}

/** Milliseconds after the deadline in which a combiner may still close its phase. */
export const closingGrace = 15_000;

export type Decision =
  /** Nothing to do but wait; the orders of the phase hold. */
  | { readonly do: 'wait' }
  /** Store the record; `enters` names the state that an event should tell. */
  | { readonly do: 'move'; readonly record: SessionRecord; readonly failure?: string }
  /** Make the candidate from the reports in the record. */
  | { readonly do: 'reduce' }
  /** Write manifest and weights, and commit. */
  | { readonly do: 'commit' };

/** The phase that a record is in, when it is in one. */
export function phaseOf(record: SessionRecord): PhaseRef | undefined {
  if (record.state !== 'training' && record.state !== 'validating') return undefined;
  const kind: TaskKind = record.state === 'training' ? 'train' : 'validate';
  return { session: record.id, round: record.round, attempt: record.attempt, kind };
}

/**
 * The session state machine: what to do next, from the stored record and what can be seen. Pure; it may be
 * asked again at any time and after any crash.
 */
export function decide(record: SessionRecord, seen: Observation): Decision {
  switch (record.state) {
    case 'paused':
      return record.stop_requested
        ? move(record, seen, { state: 'stopped', reason: 'stopped by request' })
        : wait;
    case 'finished':
    case 'stopped':
    case 'failed':
      return wait;
    case 'waiting':
      return record.stop_requested ? stop(record, seen) : startRound(record, seen);
    case 'training':
      return record.stop_requested ? stop(record, seen) : closeTraining(record, seen);
    case 'reducing':
      return record.stop_requested ? stop(record, seen) : { do: 'reduce' };
    case 'validating':
      return closeValidation(record, seen);
    case 'committing':
      return { do: 'commit' };
  }
}

const wait: Decision = { do: 'wait' };

function stop(record: SessionRecord, seen: Observation): Decision {
  return move(record, seen, {
    state: 'stopped',
    reason: 'stopped by request',
    cohorts: [],
    deadline: null,
    candidate: null,
    reports: [],
  });
}

function startRound(record: SessionRecord, seen: Observation): Decision {
  const { spec } = record;
  if (record.round > spec.rounds) return move(record, seen, { state: 'finished', reason: null });
  const needed = Math.max(spec.clients_required, spec.quorum, spec.training.minimum);
  if (seen.clients.length < needed) {
    const reason = `waits for ${needed} clients, ${seen.clients.length} connected`;
    return reason === record.reason ? wait : move(record, seen, { reason });
  }
  const phase: PhaseRef = { session: record.id, round: record.round, attempt: record.attempt, kind: 'train' };
  const size = Math.max(sampleSize(spec.training, seen.clients.length), spec.quorum);
  const drawn = sampleClients(seen.clients, size, phase, spec.random_seed);
  return move(record, seen, {
    state: 'training',
    reason: null,
    epoch: record.epoch + 1,
    cohorts: groupByCombiner(drawn),
    deadline: deadlineOf(record, seen),
    candidate: null,
    reports: [],
    validation_reports: [],
  });
}

function closeTraining(record: SessionRecord, seen: Observation): Decision {
  const closed = closedReports(record, seen);
  if (closed === undefined) return handOver(record, seen);
  const done = closed.reduce((sum, report) => sum + report.done, 0);
  if (done >= record.spec.quorum) {
    return move(record, seen, { state: 'reducing', cohorts: [], deadline: null, reports: resultsOf(closed) });
  }
  const why = `round ${record.round} got ${done} updates, the quorum is ${record.spec.quorum}`;
  return { ...retryRound(record, seen, why), failure: why };
}

/** Tries the round again, or pauses when it was tried often enough. */
export function retryRound(
  record: SessionRecord,
  seen: Pick<Observation, 'now'>,
  why: string,
): Decision & { do: 'move' } {
  const cleared = { cohorts: [], deadline: null, candidate: null, reports: [], validation_reports: [] };
  const tries = record.attempt + 1;
  if (tries > record.spec.retries) {
    return move(record, seen, {
      ...cleared,
      state: 'paused',
      attempt: tries,
      reason: `${why}, after ${tries} tries`,
    });
  }
  return move(record, seen, { ...cleared, state: 'waiting', attempt: tries, reason: null });
}

/** After the candidate was made: validation by sampled clients, or straight to the commit. */
export function afterReducing(record: SessionRecord, seen: Observation, candidate: ObjectRef): SessionRecord {
  const { spec } = record;
  const phase: PhaseRef = {
    session: record.id,
    round: record.round,
    attempt: record.attempt,
    kind: 'validate',
  };
  const off = spec.evaluation.fraction === 0 && spec.evaluation.minimum === 0;
  const size = off ? 0 : sampleSize(spec.evaluation, seen.clients.length);
  if (size === 0) {
    return { ...record, state: 'committing', candidate, validation_reports: [], updated_at: iso(seen.now) };
  }
  return {
    ...record,
    state: 'validating',
    candidate,
    epoch: record.epoch + 1,
    cohorts: groupByCombiner(sampleClients(seen.clients, size, phase, spec.random_seed)),
    deadline: deadlineOf(record, seen),
    updated_at: iso(seen.now),
  };
}

/** Validation never holds a commit up: what has arrived by the deadline is what the manifest says. */
function closeValidation(record: SessionRecord, seen: Observation): Decision {
  const closed = closedReports(record, seen);
  if (closed === undefined) return handOver(record, seen);
  return move(record, seen, {
    state: 'committing',
    cohorts: [],
    deadline: null,
    validation_reports: resultsOf(closed),
  });
}

/**
 * The closed reports of the phase, once all cohorts have closed or time is up; undefined while it goes on.
 * Reports of another epoch do not exist here.
 */
function closedReports(record: SessionRecord, seen: Observation): Report[] | undefined {
  const reports = record.cohorts.flatMap((cohort) => {
    const report = seen.reports.get(cohort.combiner);
    return report !== undefined && report.epoch === record.epoch ? [report] : [];
  });
  const closed = reports.filter((report) => report.state === 'closed');
  const ended = reports.filter((report) => report.state !== 'open');
  if (ended.length === record.cohorts.length) return closed;
  const due =
    record.deadline === null ? Number.POSITIVE_INFINITY : Date.parse(record.deadline) + closingGrace;
  return seen.now >= due ? closed : undefined;
}

function resultsOf(reports: readonly Report[]): ObjectRef[] {
  return reports
    .filter((report) => report.result !== null)
    .sort((a, b) => (a.combiner < b.combiner ? -1 : 1))
    .map((report) => report.result!);
}

/**
 * Clients whose combiner is gone, or who are connected to another one than their cohort's by now, are handed
 * over to where they can be reached, under a new epoch: what they have delivered already is on record and
 * counts, and a partial of the old epoch never does.
 */
function handOver(record: SessionRecord, seen: Observation): Decision {
  const living = [...seen.combiners].sort();
  if (living.length === 0) return wait;
  const atLiving = seen.clients.filter(({ combiner }) => living.includes(combiner));
  const homes = new Map(atLiving.map(({ client, combiner }) => [client, combiner]));
  const isGone = ({ combiner }: Cohort) => !living.includes(combiner);
  const isClosed = ({ combiner }: Cohort) => {
    const report = seen.reports.get(combiner);
    return report?.state === 'closed' && report.epoch === record.epoch;
  };
  const hasStray = ({ combiner, clients }: Cohort) =>
    clients.some((client) => (homes.get(client) ?? combiner) !== combiner);
  const isLost = (cohort: Cohort) => !isClosed(cohort) && (isGone(cohort) || hasStray(cohort));
  if (!record.cohorts.some(isLost)) return wait;
  const placed: AvailableClient[] = [];
  for (const cohort of record.cohorts) {
    for (const client of cohort.clients) {
      // A new epoch voids every report, so nobody may stay with a combiner that cannot close again.
      const fallback = isGone(cohort) ? living[placed.length % living.length]! : cohort.combiner;
      placed.push({ client, combiner: homes.get(client) ?? fallback });
    }
  }
  return move(record, seen, { epoch: record.epoch + 1, cohorts: groupByCombiner(placed) });
}

function deadlineOf(record: SessionRecord, seen: Pick<Observation, 'now'>): string {
  return iso(seen.now + record.spec.round_deadline * 1000);
}

function iso(now: number): string {
  return new Date(now).toISOString();
}

function move(
  record: SessionRecord,
  seen: Pick<Observation, 'now'>,
  change: Partial<SessionRecord>,
): Decision & { do: 'move' } {
  return { do: 'move', record: { ...record, ...change, updated_at: iso(seen.now) } };
}
