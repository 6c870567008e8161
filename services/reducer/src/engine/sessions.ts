import type { SessionEvent, SessionRecord } from '@consilium/protocol';

/** A value of a KV bucket and the revision that a compare-and-set must name. */
export interface Versioned<T> {
  readonly value: T;
  readonly revision: number;
}

export type EventBody = SessionEvent extends infer E
  ? E extends SessionEvent
    ? Omit<E, 'at' | 'session' | 'round' | 'attempt'>
    : never
  : never;

/** An event of this session, stamped with where the session stands. */
export function sessionEvent(record: SessionRecord, at: string, body: EventBody): SessionEvent {
  const { id: session, round, attempt } = record;
  return { at, session, round, attempt, ...body } as SessionEvent;
}

/** The events that a step from one stored record to the next should tell. */
export function eventsOfStep(
  before: SessionRecord,
  after: SessionRecord,
  failure: string | undefined,
): SessionEvent[] {
  const at = after.updated_at;
  const events: SessionEvent[] = [];
  if (failure !== undefined)
    events.push(sessionEvent(before, at, { event: 'round.failed', reason: failure }));
  if (before.state !== after.state || before.reason !== after.reason) {
    events.push(
      sessionEvent(after, at, { event: 'session.state', state: after.state, reason: after.reason }),
    );
  }
  const starts = after.epoch !== before.epoch && (after.state === 'training' || after.state === 'validating');
  if (starts) {
    const kind = after.state === 'training' ? 'train' : 'validate';
    const { cohorts } = after;
    events.push(
      sessionEvent(after, at, { event: 'round.started', rounds: after.spec.rounds, kind, cohorts }),
    );
  }
  return events;
}
