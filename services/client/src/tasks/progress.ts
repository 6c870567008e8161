import type { TaskEvent } from '@consilium/package-runner';
import type { ClientEvent } from '@consilium/protocol';

/** Twice a second is enough for a person, and as much as the combiner takes. */
const INTERVAL_MS = 500;

export interface ProgressOptions {
  readonly task: string;
  readonly publish: (event: ClientEvent) => void;
  /** Milliseconds. */
  readonly now: () => number;
  /** Calls back after some milliseconds; gives a way to call it off. */
  readonly after: (ms: number, work: () => void) => () => void;
}

/**
 * Tells of a task's progress without flooding: what comes within half a second of the last event is gathered
 * into the next one, the newest value of each field counting.
 */
export class Progress {
  readonly #options: ProgressOptions;
  #pending: Omit<ClientEvent, 'task'> = {};
  #cancel: (() => void) | undefined;
  #last = Number.NEGATIVE_INFINITY;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  /** A package's event. Its log lines are for the site's log, except warnings and errors. */
  note(event: TaskEvent): void {
    if (event.event === 'backend') {
      const { name, device } = event;
      this.say({ backend: name, ...(device === undefined ? {} : { device }) });
    } else if (event.event === 'progress') {
      const { step, steps, epoch } = event;
      const metrics = finite(event.metrics);
      this.say({
        ...(step === undefined ? {} : { step }),
        ...(steps === undefined ? {} : { steps }),
        ...(epoch === undefined ? {} : { epoch }),
        ...(metrics === undefined ? {} : { metrics }),
      });
    } else if (event.level === 'warn' || event.level === 'error') {
      this.say({ message: event.message.slice(0, 2000) });
    }
  }

  say(fields: Omit<ClientEvent, 'task'>): void {
    const metrics = { ...this.#pending.metrics, ...fields.metrics };
    this.#pending = { ...this.#pending, ...fields };
    if (Object.keys(metrics).length > 0) this.#pending.metrics = metrics;
    const { now, after } = this.#options;
    const wait = this.#last + INTERVAL_MS - now();
    if (wait <= 0) this.flush();
    else this.#cancel ??= after(wait, () => this.flush());
  }

  /** Sends what has been gathered; call it at the end of the task. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (Object.keys(this.#pending).length === 0) return;
    const { task, publish, now } = this.#options;
    const event = { task, ...this.#pending };
    this.#pending = {};
    this.#last = now();
    publish(event);
  }
}

/** JSON has no NaN and no infinity. */
function finite(metrics: Readonly<Record<string, number>> | undefined): Record<string, number> | undefined {
  if (metrics === undefined) return undefined;
  const kept = Object.entries(metrics).filter(([, value]) => Number.isFinite(value));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}
