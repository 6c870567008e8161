import type { Bus, Logger } from '@consilium/platform';
import {
  type ClientEvent,
  type ConsiliumError,
  type Order,
  type SessionEvent,
  sessionEventSchema,
  subjects,
  type TaskRecord,
} from '@consilium/protocol';
import type { DoneRequest } from './claim-rules.js';
import { detailOf } from './task-outcome.js';

/**
 * Tells people what happens to a session's clients. Events are for looking at: one that cannot be sent is
 * logged and dropped, the records decide.
 */
export class SessionEvents {
  readonly #bus: Bus;
  readonly #log: Logger;
  readonly #combiner: string;
  readonly #now: () => number;

  constructor(bus: Bus, log: Logger, combiner: string, now: () => number) {
    this.#bus = bus;
    this.#log = log;
    this.#combiner = combiner;
    this.#now = now;
  }

  progress(order: Order, client: string, event: ClientEvent): void {
    const { task: _, ...seen } = event;
    this.#publish({ event: 'client.progress', ...this.#kinded(order, client), ...seen });
  }

  result(order: Order, client: string, request: DoneRequest): void {
    const { num_examples, metrics, execution } = request.signed.claim;
    const { duration_ms, backend } = execution;
    const told = { num_examples, metrics, duration_ms, backend };
    this.#publish({ event: 'client.result', ...this.#kinded(order, client), ...told });
  }

  failed(order: Order, record: TaskRecord): void {
    const error = record.error ?? { code: 'INTERNAL', detail: '', log_tail: '' };
    this.#publish({ event: 'client.failed', ...this.#kinded(order, record.client), ...error });
  }

  refused(order: Order, client: string, error: ConsiliumError): void {
    const told = { client, combiner: this.#combiner, code: error.code, detail: detailOf(error) };
    this.#publish({ event: 'update.refused', ...this.#base(order), ...told });
  }

  #base({ template }: Order) {
    const { session, round, attempt } = template;
    return { at: new Date(this.#now()).toISOString(), session, round, attempt };
  }

  #kinded(order: Order, client: string) {
    return { ...this.#base(order), kind: order.template.kind, client, combiner: this.#combiner };
  }

  #publish(event: unknown): void {
    try {
      const checked: SessionEvent = sessionEventSchema.parse(event);
      this.#bus.publish(subjects.event(checked.session), checked);
    } catch (error) {
      this.#log.warn({ err: error }, 'an event could not be sent');
    }
  }
}
