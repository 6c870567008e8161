import type { Task, taskStates } from '@consilium/protocol';
import type { StoredResult } from '../journal.js';
import type { KnownTask } from '../reconcile.js';
import { type Ending, TaskEnded } from './endings.js';

export type TaskState = (typeof taskStates)[number];

/** Longest timer of Node. */
const LONGEST_MS = 2 ** 31 - 1;

/** A task in this client's hands, from the moment it is listed until its result is acknowledged. */
export class ActiveTask implements KnownTask {
  task: Task;
  state: TaskState = 'accepted';
  combiner: string | undefined;
  missingSince: number | undefined;
  /** From the journal of an earlier run: sent once the task is listed again. */
  stored: StoredResult | undefined;
  /** Settles when nothing is done for this task any more. */
  finished: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  readonly #work = new AbortController();
  readonly #delivery = new AbortController();

  constructor(task: Task, combiner: string | undefined, stored?: StoredResult) {
    this.task = task;
    this.combiner = combiner;
    this.stored = stored;
    if (stored !== undefined) this.state = stored.request.outcome === 'done' ? 'finished' : 'failed';
  }

  /** Ends the work: downloads, the package's processes. */
  get workSignal(): AbortSignal {
    return this.#work.signal;
  }

  /** Ends uploading and sending as well. */
  get deliverySignal(): AbortSignal {
    return this.#delivery.signal;
  }

  /** Ends the work when so many seconds are over; each list of the combiner says anew how many there are. */
  arm(seconds: number): void {
    clearTimeout(this.#timer);
    if (this.#work.signal.aborted || this.state === 'finished' || this.state === 'failed') return;
    const ms = Math.max(0, Math.min(seconds * 1000, LONGEST_MS));
    this.#timer = setTimeout(() => this.end({ why: 'late' }), ms);
    this.#timer.unref();
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }

  /** Ends the work with its reason; a result that is there already is still delivered, unless it is dropped. */
  end(ending: Ending): void {
    this.disarm();
    this.#work.abort(new TaskEnded(ending));
    if (ending.why === 'dropped') this.#delivery.abort(new TaskEnded(ending));
  }

  /** Stops delivering; what is in the journal is delivered after the next start. */
  leave(): void {
    this.#work.abort(new TaskEnded({ why: 'stopped' }));
    this.#delivery.abort(new TaskEnded({ why: 'stopped' }));
  }

  get dropped(): boolean {
    const reason: unknown = this.#delivery.signal.reason;
    return reason instanceof TaskEnded && reason.ending.why === 'dropped';
  }
}
