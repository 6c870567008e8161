import {
  type Order,
  type PhaseRef,
  type Task,
  type TaskRecord,
  type TaskTemplate,
  taskId,
} from '@consilium/protocol';

/** An order and what is known of its clients' tasks: all that the rules of a phase look at. */
export interface Phase {
  readonly order: Order;
  /** By client name; a client without a record has not ended yet. */
  readonly records: ReadonlyMap<string, TaskRecord>;
}

/** Which phase an order is about. */
export function phaseOf(order: { readonly template: TaskTemplate }): PhaseRef {
  const { session, round, attempt, kind } = order.template;
  return { session, round, attempt, kind };
}

/** Milliseconds since 1970 at which the phase closes by itself. */
export function deadlineOf(order: Order): number {
  return Date.parse(order.template.deadline);
}

/** True when the phase still takes results: not told to close, deadline ahead, somebody has not ended. */
export function isOpen(phase: Phase, now: number): boolean {
  return closeReason(phase, now) === undefined;
}

/** Why the phase has to close now, or undefined while it goes on. */
export function closeReason(phase: Phase, now: number): 'complete' | 'ordered' | 'deadline' | undefined {
  const { order, records } = phase;
  if (order.clients.every((client) => records.has(client))) return 'complete';
  if (order.close) return 'ordered';
  if (now >= deadlineOf(order)) return 'deadline';
  return undefined;
}

export interface Counts {
  readonly asked: number;
  readonly done: number;
  readonly failed: number;
}

/** How far the phase is, for the report that the reducer reads. */
export function countsOf(phase: Phase): Counts {
  let done = 0;
  let failed = 0;
  for (const client of phase.order.clients) {
    const state = phase.records.get(client)?.state;
    if (state === 'done') done += 1;
    if (state === 'failed') failed += 1;
  }
  return { asked: phase.order.clients.length, done, failed };
}

/** Clients that were asked and have not ended, in the order's order. */
export function absentees(phase: Phase): string[] {
  return phase.order.clients.filter((client) => !phase.records.has(client));
}

/** True when `client` still has to do its task of this phase. */
export function holdsFor(phase: Phase, client: string, now: number): boolean {
  return phase.order.clients.includes(client) && !phase.records.has(client) && isOpen(phase, now);
}

/** The task of one client, with the seconds left by the combiner's clock. */
export function taskFor(order: Order, client: string, now: number): Task {
  return {
    ...order.template,
    id: taskId(phaseOf(order), client),
    client,
    seconds_left: Math.max(0, (deadlineOf(order) - now) / 1000),
  };
}

/** Every task that holds for a client now, ordered by id so that two answers can be compared. */
export function tasksFor(client: string, phases: Iterable<Phase>, now: number): Task[] {
  const tasks: Task[] = [];
  for (const phase of phases) {
    if (holdsFor(phase, client, now)) tasks.push(taskFor(phase.order, client, now));
  }
  return tasks.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}
