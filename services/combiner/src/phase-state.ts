import {
  ConsiliumError,
  type Order,
  type Report,
  type ResultReply,
  type TaskRecord,
} from '@consilium/protocol';
import type { Phase } from './phase.js';
import type { Stored } from './records.js';

/** Different updates that a client may bring for one task; it needs one, and one more for each time it is restarted. */
const UPDATES_A_TASK = 8;
/** Uploads in parts that a client may begin for one task: the store keeps each until it is old. */
const BEGUN_A_TASK = 300;

/** What the combiner holds in memory of one order; all of it can be read again from the durable state. */
export class PhaseState implements Phase {
  /** Key of the order and of the report. */
  readonly key: string;
  readonly records = new Map<string, TaskRecord>();
  /** Results being looked at, by client: one at a time, so that an outcome is decided once. */
  readonly checks = new Map<string, Promise<ResultReply>>();
  report: Stored<Report> | undefined;
  /** Milliseconds; when the report was written last by this process. */
  reportedAt = Number.NEGATIVE_INFINITY;
  /** The step in progress (loading, reporting, closing), if any. */
  step: Promise<void> | undefined;
  /** After a failure: how many in a row, and when to try again (milliseconds). */
  failures = 0;
  retryAt = 0;
  /** When a report that was held back may be written, milliseconds; undefined when none is. */
  reportDue: number | undefined;
  readonly #updates = new Map<string, Set<string>>();
  readonly #begun = new Map<string, number>();
  #order: Stored<Order>;
  #loaded = false;
  #waiting: (() => void)[] = [];

  constructor(key: string, order: Stored<Order>) {
    this.key = key;
    this.#order = order;
  }

  get order(): Order {
    return this.#order.value;
  }

  get revision(): number {
    return this.#order.revision;
  }

  /**
   * Counts what a client uploads, so that one task does not fill the store.
   * @throws ConsiliumError TASK_TOO_MANY_UPLOADS
   */
  noteUpdate(client: string, digest: string): void {
    const digests = this.#updates.get(client) ?? new Set();
    this.#updates.set(client, digests);
    if (!digests.has(digest) && digests.size >= UPDATES_A_TASK)
      throw tooManyUploads(UPDATES_A_TASK, 'different updates');
    digests.add(digest);
  }

  /** Whether one more upload in parts may be begun. @throws ConsiliumError TASK_TOO_MANY_UPLOADS */
  requireRoom(client: string): void {
    if ((this.#begun.get(client) ?? 0) >= BEGUN_A_TASK) throw tooManyUploads(BEGUN_A_TASK, 'uploads');
  }

  noteBegun(client: string): void {
    this.#begun.set(client, (this.#begun.get(client) ?? 0) + 1);
  }

  /** Takes over a changed order; its records and report have to be read again. */
  replace(order: Stored<Order>): void {
    this.#order = order;
    this.#loaded = false;
    this.retryAt = 0;
  }

  /** True once the records of all its clients have been read. */
  get loaded(): boolean {
    return this.#loaded;
  }

  markLoaded(): void {
    this.#loaded = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves true when loaded, false after `timeoutMs`. */
  async whenLoaded(timeoutMs: number): Promise<boolean> {
    if (this.#loaded) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([late, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
    clearTimeout(timer);
    return this.#loaded;
  }

  /** Closed for this order's epoch, well or with an error: nothing is left to do. */
  get closed(): boolean {
    const report = this.report?.value;
    return report !== undefined && report.state !== 'open' && report.epoch >= this.order.epoch;
  }
}

function tooManyUploads(limit: number, what: string): ConsiliumError {
  return new ConsiliumError('TASK_TOO_MANY_UPLOADS', `${limit} ${what} were asked for already.`, {
    where: 'put',
  });
}
