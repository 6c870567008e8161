import type { KvBucket, Logger, ObjectStore } from '@consilium/platform';
import {
  buckets,
  endedStates,
  type Order,
  type Report,
  type SessionRecord,
  type TaskRecord,
} from '@consilium/protocol';
import { sessionOfKey } from './orders.js';

export interface CleaningDeps {
  readonly store: ObjectStore;
  readonly reports: KvBucket<Report>;
  readonly tasks: KvBucket<TaskRecord>;
  readonly log: Logger;
}

/**
 * After a round: what it needed and the trail does not. It never fails; what a crash leaves is removed by
 * `cleanState` of the next leader, and from the store by `consilium trail gc`.
 */
export async function cleanRound(
  deps: CleaningDeps,
  before: SessionRecord,
  reportKeys: Iterable<string>,
): Promise<void> {
  const { id: session, round } = before;
  try {
    for (const key of [...reportKeys]) {
      const at = placeOfReport(key);
      if (at.session === session && at.round <= round) await deps.reports.delete(key);
    }
    for (const key of await deps.tasks.keys(`${session}.${round}.>`)) await deps.tasks.delete(key);
    const prefixes = ['partials', 'reports', 'candidates'];
    if (!before.spec.keep_updates) prefixes.push('updates');
    for (const prefix of prefixes) {
      for await (const { key } of deps.store.list(buckets.work, `${prefix}/${session}/${round}-`)) {
        await deps.store.delete(buckets.work, key);
      }
    }
  } catch (error) {
    deps.log.warn({ session, round, err: error }, 'could not clean up after the round; later steps will');
  }
}

/**
 * Reports and tasks of rounds that are over, whose leader died before it removed them. `find` reads a session's
 * record where it is stored: an entry of a session that is not known yet must stay.
 */
export async function cleanState(
  deps: CleaningDeps,
  find: (session: string) => Promise<SessionRecord | undefined>,
): Promise<void> {
  const known = new Map<string, SessionRecord | undefined>();
  const isOver = async (session: string, round: number): Promise<boolean> => {
    if (!known.has(session)) known.set(session, await find(session));
    const record = known.get(session);
    return record !== undefined && (endedStates.includes(record.state) || round < record.round);
  };
  for (const key of await deps.reports.keys()) {
    const { session, round } = placeOfReport(key);
    if (await isOver(session, round)) await deps.reports.delete(key);
  }
  for (const key of await deps.tasks.keys()) {
    const [session = '', round = ''] = key.split('.');
    if (await isOver(session, Number(round))) await deps.tasks.delete(key);
  }
}

/**
 * Orders of sessions whose record is gone. What is not in `known` is looked up: the list comes from a mirror,
 * which may not have heard of a young session.
 */
export async function cleanOrders(
  orders: KvBucket<Order>,
  orderKeys: Iterable<string>,
  known: ReadonlySet<string>,
  find: (session: string) => Promise<SessionRecord | undefined>,
): Promise<void> {
  for (const key of [...orderKeys]) {
    const session = sessionOfKey(key);
    if (!known.has(session) && (await find(session)) === undefined) await orders.delete(key);
  }
}

/** Keys of reports begin with the combiner: `<combiner>.<session>.<round>.<attempt>.<kind>`. */
function placeOfReport(key: string): { session: string; round: number } {
  const [, session = '', round = ''] = key.split('.');
  return { session, round: Number(round) };
}
