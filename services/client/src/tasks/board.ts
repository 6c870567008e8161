import { asConsiliumError, type ClientEvent, type SyncRequest, type Task } from '@consilium/protocol';
import type { AuditEvent } from '../audit/log.js';
import type { JournalEntry, StoredResult } from '../journal.js';
import { reconcile } from '../reconcile.js';
import { ActiveTask, type TaskState } from './active-task.js';
import type { TaskContext } from './context.js';
import { deliver } from './deliver.js';
import { endingError, failedRequest, TaskEnded } from './endings.js';
import { Progress } from './progress.js';
import { Slots } from './slots.js';
import { work } from './work.js';

/** Acknowledged tasks to remember: far more than a list that is under way can name. */
const REMEMBERED = 1000;

/**
 * All tasks of a client. `apply` takes the list that holds; everything else follows from it. What a task's work
 * throws ends that task, never the client.
 */
export class TaskBoard {
  readonly #context: TaskContext;
  readonly #changed: () => void;
  readonly #slots: Slots;
  readonly #tasks = new Map<string, ActiveTask>();
  readonly #settled = new Set<string>();
  /** Tasks whose last work is still ending; a successor under the same id waits for it. */
  readonly #ending = new Map<string, Promise<void>>();
  #stopping = false;

  /** @param changed called when the combiner should hear of a change soon. */
  constructor(context: TaskContext, changed: () => void) {
    this.#context = context;
    this.#changed = changed;
    this.#slots = new Slots(context.config.parallel_tasks);
  }

  /** Takes over results of an earlier run; they are sent if the combiner still lists their tasks. */
  restore(entries: readonly JournalEntry[]): void {
    for (const { task, result } of entries) {
      if (result !== undefined) this.#tasks.set(task.id, new ActiveTask(task, undefined, result));
    }
  }

  report(): SyncRequest['tasks'] {
    return [...this.#tasks.values()].slice(0, 100).map(({ task, state }) => ({ id: task.id, state }));
  }

  apply(tasks: readonly Task[]): void {
    if (this.#stopping) return;
    const { config, link, clock, log } = this.#context;
    const combiner = link.combiner ?? '';
    const list = { client: config.name, combiner, tasks, now: clock.elapsed() };
    const { start, drop, keep, orphans, refuse } = reconcile(list, this.#tasks, this.#settled);
    for (const task of refuse)
      log.error({ task: task.id, client: task.client }, 'the combiner sent a foreign task');
    for (const id of drop) this.#drop(id);
    for (const id of orphans) {
      const active = this.#tasks.get(id);
      if (active !== undefined) active.missingSince ??= list.now;
    }
    for (const task of keep) {
      const active = this.#tasks.get(task.id);
      if (active === undefined) continue;
      active.combiner = combiner;
      active.missingSince = undefined;
      const { stored } = active;
      if (stored === undefined) {
        active.arm(task.seconds_left);
        continue;
      }
      active.stored = undefined;
      log.info({ task: task.id }, 'sending the result of an earlier run');
      this.#run(active, () => this.#deliver(active, stored));
    }
    for (const task of start) {
      const active = new ActiveTask(task, combiner);
      this.#tasks.set(task.id, active);
      this.#run(active, () => this.#do(active));
    }
  }

  /**
   * Ends what runs, tells the combiner, and gives that until `signal` fires. Results that could not be sent by
   * then stay in the journal.
   */
  async stop(signal: AbortSignal): Promise<void> {
    this.#stopping = true;
    const all = [...this.#tasks.values()];
    for (const active of all) active.end({ why: 'stopped' });
    const leave = (): void => {
      for (const active of all) active.leave();
    };
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    await Promise.all([...all.map((active) => active.finished), ...this.#ending.values()]);
    signal.removeEventListener('abort', leave);
  }

  #drop(id: string): void {
    const active = this.#tasks.get(id);
    if (active === undefined) return;
    this.#tasks.delete(id);
    const { log, journal } = this.#context;
    log.info({ task: id, state: active.state }, 'the task does not hold any more');
    active.end({ why: 'dropped' });
    const before = this.#ending.get(id);
    const ended = Promise.all([before, active.finished])
      .then(() => this.#record('task.aborted', { task: id, state: active.state }))
      .then(() => journal.remove(id))
      .catch((error: unknown) =>
        log.error({ task: id, err: error }, 'a dropped task could not be cleared away'),
      )
      .finally(() => {
        if (this.#ending.get(id) === ended) this.#ending.delete(id);
      });
    this.#ending.set(id, ended);
  }

  #run(active: ActiveTask, part: () => Promise<void>): void {
    const { log } = this.#context;
    active.finished = part().catch((error: unknown) => {
      if (error instanceof TaskEnded) return;
      const { code, fix } = asConsiliumError(error);
      log.error({ task: active.task.id, err: error, code, fix }, 'the task could not be brought to an end');
      // Not again from the start: it would fail the same way, at the speed of the network.
      this.#settle(active.task.id);
      this.#forget(active);
    });
  }

  async #do(active: ActiveTask): Promise<void> {
    const { task } = active;
    const { log, journal } = this.#context;
    await this.#ending.get(task.id);
    active.arm(task.seconds_left);
    const { result, keep } = await this.#result(active);
    active.disarm();
    if (active.dropped) return;
    if (keep) {
      // It can be sent all the same; only a restart in between would have to do the task again.
      await journal.saveResult(task.id, result).catch((error: unknown) => {
        log.error({ task: task.id, err: error }, 'the journal cannot be written');
      });
    }
    await this.#note(task, result);
    await this.#deliver(active, result);
  }

  /** Works on the task in its turn. Gives a failed result for everything that goes wrong. */
  async #result(active: ActiveTask): Promise<{ result: StoredResult; keep: boolean }> {
    const { task, workSignal: signal } = active;
    const { journal, link, clock, log } = this.#context;
    const progress = new Progress({
      task: task.id,
      publish: (event: ClientEvent) => link.event(event),
      now: () => clock.elapsed(),
      after: (ms, call) => {
        const timer = setTimeout(call, ms);
        return () => clearTimeout(timer);
      },
    });
    let release: (() => void) | undefined;
    try {
      await journal.accept(task);
      release = await this.#slots.take(signal);
      log.info(
        { task: task.id, kind: task.kind, round: task.round, package: task.package.name },
        'task accepted',
      );
      const onState = (state: TaskState): void => {
        this.#setState(active, state);
        progress.say({ state });
      };
      const result = await work({ task, context: this.#context, progress, signal, onState });
      return { result, keep: true };
    } catch (thrown) {
      const reason: unknown = signal.aborted ? signal.reason : thrown;
      const ended = reason instanceof TaskEnded ? reason.ending : undefined;
      if (ended?.why === 'dropped') throw reason;
      const error = ended === undefined ? undefined : endingError(ended, task);
      const request = failedRequest(task, error ?? asConsiliumError(reason), '');
      // What a stop interrupted is better done again than reported, if it still holds after the next start.
      return { result: { request }, keep: ended?.why !== 'stopped' };
    } finally {
      progress.flush();
      release?.();
    }
  }

  async #deliver(active: ActiveTask, stored: StoredResult): Promise<void> {
    const { task } = active;
    this.#setState(active, stored.upload === undefined ? endState(stored) : 'uploading');
    try {
      const { reply, sent } = await deliver(task, stored, this.#context, active.deliverySignal);
      this.#setState(active, endState(sent));
      await this.#acknowledged(task, sent, reply);
    } catch (thrown) {
      active.deliverySignal.throwIfAborted();
      const { code, detail, fix } = asConsiliumError(thrown);
      this.#context.log.error({ task: task.id, code, detail, fix }, 'the combiner does not take the result');
      await this.#record('task.refused', { task: task.id, code, detail });
    }
    this.#settle(task.id);
    this.#forget(active);
    await this.#context.journal.remove(task.id);
  }

  async #note(task: Task, { request }: StoredResult): Promise<void> {
    const { log } = this.#context;
    if (request.outcome === 'failed') {
      const { code, detail, fix } = request.error;
      log.error({ task: task.id, code, detail, fix }, 'task failed');
      await this.#record('task.failed', { task: task.id, code, detail });
      return;
    }
    const { update, num_examples, data_set, execution } = request.signed.claim;
    log.info({ task: task.id, num_examples, duration_ms: execution.duration_ms }, 'task done');
    await this.#record('task.finished', {
      task: task.id,
      ...(update === undefined ? {} : { update }),
      num_examples,
      data: data_set.digest,
      isolation: execution.isolation,
    });
  }

  async #acknowledged(
    task: Task,
    { request }: StoredResult,
    {
      accepted,
      error,
    }: { accepted: boolean; error?: { code: string; detail: string; fix: string } | undefined },
  ): Promise<void> {
    const { log } = this.#context;
    if (accepted) {
      log.info({ task: task.id, outcome: request.outcome }, 'result acknowledged');
      return;
    }
    const { code = 'INTERNAL', detail = '', fix = '' } = error ?? {};
    log.error({ task: task.id, code, detail, fix }, 'the combiner refused the result');
    await this.#record('task.refused', { task: task.id, code, detail });
  }

  /** If the disk is full, the log has it at least; a package is not run then at all (`work`). */
  async #record(event: AuditEvent, details: Record<string, unknown>): Promise<void> {
    try {
      await this.#context.audit.append(event, details);
    } catch (error) {
      this.#context.log.error({ err: error, event, ...details }, 'the audit log cannot be written');
    }
  }

  #setState(active: ActiveTask, state: TaskState): void {
    if (active.state === state) return;
    active.state = state;
    this.#changed();
  }

  #settle(id: string): void {
    this.#settled.add(id);
    const [oldest] = this.#settled;
    if (this.#settled.size > REMEMBERED && oldest !== undefined) this.#settled.delete(oldest);
  }

  #forget(active: ActiveTask): void {
    if (this.#tasks.get(active.task.id) === active) this.#tasks.delete(active.task.id);
    this.#changed();
  }
}

function endState({ request }: StoredResult): TaskState {
  return request.outcome === 'done' ? 'finished' : 'failed';
}
