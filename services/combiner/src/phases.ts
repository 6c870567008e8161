import { ConsiliumError, isName, orderKey, type Task } from '@consilium/protocol';
import type { Context } from './context.js';
import { tasksFor } from './phase.js';
import type { PhaseState } from './phase-state.js';

/** How long a client's question waits for a phase that is being loaded, milliseconds. */
const LOADING = 3000;

/** The phases that this combiner has orders for, by order key. */
export class Phases {
  readonly #context: Context;
  readonly #byKey = new Map<string, PhaseState>();

  constructor(context: Context) {
    this.#context = context;
  }

  get(key: string): PhaseState | undefined {
    return this.#byKey.get(key);
  }

  set(phase: PhaseState): void {
    this.#byKey.set(phase.key, phase);
  }

  delete(key: string): void {
    this.#byKey.delete(key);
  }

  all(): PhaseState[] {
    return [...this.#byKey.values()];
  }

  /** All tasks that hold for the client, of the phases known. */
  tasksOf(client: string): Task[] {
    return tasksFor(client, this.#byKey.values(), this.#context.now());
  }

  /**
   * Waits until what is known of the client's tasks is complete: a list that lacks a task because its
   * records are still being read would make the client throw its work away.
   *
   * @throws ConsiliumError BUS_UNAVAILABLE when that takes too long; the client asks again.
   */
  async settled(client: string): Promise<void> {
    const own = this.all().filter((phase) => phase.order.clients.includes(client));
    await Promise.all(own.map((phase) => this.#waitLoaded(phase)));
  }

  async #waitLoaded(phase: PhaseState): Promise<void> {
    if (await phase.whenLoaded(LOADING)) return;
    throw new ConsiliumError('BUS_UNAVAILABLE', 'The records of a phase are still being read.', {
      where: phase.key,
    });
  }

  /**
   * The phase of a task id, if its client is `client` and this combiner has the order.
   *
   * @throws ConsiliumError TASK_FOREIGN for another client's task, TASK_UNKNOWN for no task id at all.
   */
  async ofTask(task: string, client: string): Promise<PhaseState | undefined> {
    const phase = this.#byKey.get(orderKeyOfTask(this.#context.combiner, task, client));
    if (phase === undefined || !phase.order.clients.includes(client)) return undefined;
    await this.#waitLoaded(phase);
    return phase;
  }
}

/** @throws ConsiliumError TASK_FOREIGN, TASK_UNKNOWN */
export function orderKeyOfTask(combiner: string, task: string, client: string): string {
  const [session, round, attempt, kind, owner, ...rest] = task.split('.');
  const numbers = /^\d{1,9}$/;
  const wellFormed =
    rest.length === 0 &&
    isName(session ?? '') &&
    numbers.test(round ?? '') &&
    numbers.test(attempt ?? '') &&
    (kind === 'train' || kind === 'validate') &&
    isName(owner ?? '');
  if (!wellFormed || session === undefined || (kind !== 'train' && kind !== 'validate')) {
    throw new ConsiliumError('TASK_UNKNOWN', `"${task.slice(0, 200)}" is no task id.`, { where: 'task' });
  }
  if (owner !== client) {
    throw new ConsiliumError('TASK_FOREIGN', `It is a task of "${owner}", not of "${client}".`, {
      where: task,
    });
  }
  return orderKey(combiner, { session, round: Number(round), attempt: Number(attempt), kind });
}
