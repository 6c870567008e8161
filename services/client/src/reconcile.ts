import { isDeepStrictEqual } from 'node:util';
import { type Task, taskId } from '@consilium/protocol';

/** A task this client knows: in work, or with a result that waits for its acknowledgement. */
export interface KnownTask {
  readonly task: Task;
  /** The combiner that listed it last; undefined for what was found on the disk after a restart. */
  readonly combiner: string | undefined;
  /** Milliseconds; when a combiner that did not list it answered first. */
  readonly missingSince: number | undefined;
}

export interface TaskList {
  /** This client. */
  readonly client: string;
  /** Who sent the list. */
  readonly combiner: string;
  readonly tasks: readonly Task[];
  /** Milliseconds. */
  readonly now: number;
}

export interface Differences {
  /** Listed and new here, in the order of the list. */
  readonly start: Task[];
  /** Known and not listed any more, or listed with other contents: to be dropped (before `start`). */
  readonly drop: string[];
  /** Listed, known, the same: only the time that is left may have changed. */
  readonly keep: Task[];
  /** Not listed, but by a combiner that may not have taken them over yet: to be kept for a while. */
  readonly orphans: string[];
  /** Listed, but not for this client, or under an id that is not its own: to be reported, not to be run. */
  readonly refuse: Task[];
}

/**
 * How long a task outlives its combiner. When a combiner dies, its clients are sent to another one, which
 * gets the same tasks (same ids) from the reducer some seconds later; work in progress should live that long.
 */
export const ORPHAN_MS = 60_000;

/**
 * What to do so that the tasks known here become those that hold. The list is the whole truth, so the
 * result does not depend on which earlier lists were seen; applying the same list twice changes nothing.
 *
 * @param settled tasks whose result has been acknowledged: a list that was made just before may still
 *   name them, and they must not be done again.
 */
export function reconcile(
  list: TaskList,
  known: ReadonlyMap<string, KnownTask>,
  settled: { has(id: string): boolean },
): Differences {
  const differences: Differences = { start: [], drop: [], keep: [], orphans: [], refuse: [] };
  const seen = new Set<string>();
  const sessions = new Set<string>();
  for (const task of list.tasks) {
    if (seen.has(task.id)) continue;
    if (task.client !== list.client || task.id !== taskId(task, list.client)) {
      differences.refuse.push(task);
      continue;
    }
    seen.add(task.id);
    sessions.add(task.session);
    const have = known.get(task.id);
    if (have === undefined) {
      if (!settled.has(task.id)) differences.start.push(task);
    } else if (sameWork(have.task, task)) differences.keep.push(task);
    else {
      differences.drop.push(task.id);
      differences.start.push(task);
    }
  }
  for (const [id, have] of known) {
    if (seen.has(id)) continue;
    const another = have.combiner !== list.combiner;
    const fresh = list.now - (have.missingSince ?? list.now) < ORPHAN_MS;
    // A session that has other work for this client has moved on.
    const waits = another && fresh && !sessions.has(have.task.session);
    (waits ? differences.orphans : differences.drop).push(id);
  }
  return differences;
}

/**
 * Whether two messages ask for the same work. An id names a phase of a session, so a session that was set
 * up anew under the old name could use it for another model.
 */
export function sameWork(a: Task, b: Task): boolean {
  return isDeepStrictEqual(workOf(a), workOf(b));
}

function workOf(task: Task): Partial<Task> {
  const { seconds_left: _left, deadline: _deadline, ...work } = task;
  return work;
}
