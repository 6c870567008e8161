import type { BusMessage, BusSubscription } from '@consilium/platform';
import {
  type ClientEvent,
  ConsiliumError,
  clientEventSchema,
  completeRequestSchema,
  isName,
  kvBuckets,
  parseUp,
  subjects,
  syncRequestSchema,
  type TasksMessage,
  type UpVerb,
  urlsRequestSchema,
} from '@consilium/protocol';
import type { ConnectedClients } from '../connected.js';
import { type Context, isoTime } from '../context.js';
import { holdsFor } from '../phase.js';
import type { Phases } from '../phases.js';
import { RateLimit } from '../rate-limit.js';
import type { ResultTaker } from '../result-taker.js';
import { TaskObjects } from './objects.js';
import { readMessage } from './read-message.js';

/** How many messages of one verb are worked on at once; results may wait long for their check. */
const CONCURRENCY = { sync: 64, urls: 32, complete: 32, result: 1024 } as const;

/** How much of that one client may take up, so that the others are served whatever it sends. */
const PER_CLIENT = { sync: 4, urls: 8, complete: 8, result: 64 } as const;

/** What a client may send: on average and at once. A message counts one, and one more for every 16 KiB. */
const MESSAGES_PER_SECOND = 50;
const MESSAGES_AT_ONCE = 500;
const MESSAGE_UNIT = 16 * 1024;

/** Progress events a client may cause: on average one every half second. */
const EVENTS_PER_SECOND = 2;
const EVENTS_AT_ONCE = 20;

export interface UplinkParts {
  readonly context: Context;
  readonly phases: Phases;
  readonly results: ResultTaker;
  readonly connected: ConnectedClients;
}

/**
 * What clients say to their combiner. Who speaks is taken from the subject, which NATS permissions tie to the
 * connection, never from the message.
 */
export class Uplink {
  readonly #context: Context;
  readonly #phases: Phases;
  readonly #results: ResultTaker;
  readonly #connected: ConnectedClients;
  readonly #objects: TaskObjects;
  readonly #presenceAt = new Map<string, number>();
  /** Messages being worked on, by verb and client. */
  readonly #running = new Map<string, number>();
  readonly #messages = new RateLimit(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE);
  readonly #progress = new RateLimit(EVENTS_PER_SECOND, EVENTS_AT_ONCE);
  #subscriptions: BusSubscription[] = [];
  #sweptAt = 0;

  constructor({ context, phases, results, connected }: UplinkParts) {
    this.#context = context;
    this.#phases = phases;
    this.#results = results;
    this.#connected = connected;
    this.#objects = new TaskObjects(context, phases);
  }

  start(): void {
    const { bus, combiner } = this.#context;
    const respond = (verb: keyof typeof CONCURRENCY, answer: (client: string, m: BusMessage) => unknown) =>
      bus.respond(
        subjectOf(combiner, verb),
        (message) => {
          const client = clientOf(message.subject);
          return this.#inTurn(verb, client, () => answer(client, message));
        },
        { concurrency: CONCURRENCY[verb], admit: (subject, bytes) => this.#admit(subject, bytes) },
      );
    this.#subscriptions = [
      respond('sync', (client, message) => this.#sync(client, message)),
      respond('urls', async (client, { subject, value }) => {
        await this.#requireStanding(client);
        return await this.#objects.urls(client, readMessage(urlsRequestSchema, value, subject));
      }),
      respond('complete', async (client, { subject, value }) => {
        await this.#requireStanding(client);
        return await this.#objects.complete(client, readMessage(completeRequestSchema, value, subject));
      }),
      respond('result', (client, { value }) => this.#results.take(client, value)),
      bus.subscribe(subjectOf(combiner, 'event'), (message) => this.#event(message), {
        admit: (subject, bytes) =>
          this.#admit(subject, bytes) && this.#progress.allows(subject, this.#context.now()),
      }),
    ];
  }

  /** Takes nothing new; results being looked at are answered first. */
  async stop(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()));
  }

  #admit(subject: string, bytes: number): boolean {
    const client = parseUp(subject)?.client ?? '';
    const now = this.#context.now();
    this.#sweep(now);
    return this.#messages.allows(client, now, 1 + bytes / MESSAGE_UNIT);
  }

  async #inTurn(verb: keyof typeof PER_CLIENT, client: string, work: () => unknown): Promise<unknown> {
    const key = `${verb} ${client}`;
    const running = this.#running.get(key) ?? 0;
    if (running >= PER_CLIENT[verb]) {
      const detail = `${running} messages of "${client}" are being worked on.`;
      throw new ConsiliumError('BUS_UNAVAILABLE', detail, { where: verb });
    }
    this.#running.set(key, running + 1);
    try {
      return await work();
    } finally {
      const left = (this.#running.get(key) ?? 1) - 1;
      if (left > 0) this.#running.set(key, left);
      else this.#running.delete(key);
    }
  }

  /** Where NATS is somebody else's, the JWT of a revoked client holds for some minutes yet. @throws TRUST_REVOKED */
  async #requireStanding(client: string): Promise<void> {
    const revoked = (await this.#context.records.client(client))?.revoked_at;
    if (typeof revoked !== 'string') return;
    throw new ConsiliumError('TRUST_REVOKED', `"${client}" was revoked at ${revoked}.`, { where: client });
  }

  async #sync(client: string, { value, subject }: BusMessage): Promise<TasksMessage> {
    const { instance } = readMessage(syncRequestSchema, value, subject);
    await this.#requireStanding(client);
    const now = this.#context.now();
    this.#connected.saw(client, now);
    this.#present(client, instance, now);
    await this.#phases.settled(client);
    return { tasks: this.#phases.tasksOf(client) };
  }

  /** Often enough for the bucket's TTL, no more: one write a sync would be most of the bus's work. */
  #present(client: string, instance: string, now: number): void {
    const interval = (kvBuckets.presence.ttl * 1000) / 5;
    if (now - (this.#presenceAt.get(client) ?? Number.NEGATIVE_INFINITY) < interval) return;
    this.#presenceAt.set(client, now);
    const presence = {
      schema: 1,
      client,
      combiner: this.#context.combiner,
      instance,
      at: isoTime(now),
    } as const;
    this.#context.records.writePresence(presence).catch((error: unknown) => {
      this.#presenceAt.delete(client);
      this.#context.log.warn({ client, err: error }, 'presence could not be written');
    });
  }

  async #event({ value, subject }: BusMessage): Promise<void> {
    const client = clientOf(subject);
    const now = this.#context.now();
    const event: ClientEvent = readMessage(clientEventSchema, value, subject);
    const phase = await this.#phases.ofTask(event.task, client);
    if (phase !== undefined && holdsFor(phase, client, now))
      this.#context.events.progress(phase.order, client, event);
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < 60_000) return;
    this.#sweptAt = now;
    this.#progress.sweep(now, 60_000);
    this.#messages.sweep(now, 60_000);
    for (const [client, at] of this.#presenceAt) {
      if (now - at > 60_000) this.#presenceAt.delete(client);
    }
  }
}

function subjectOf(combiner: string, verb: UpVerb): string {
  return subjects.up(combiner, '*', verb);
}

/** @throws ConsiliumError BAD_REQUEST when the subject carries no client name. */
function clientOf(subject: string): string {
  const client = parseUp(subject)?.client ?? '';
  if (isName(client)) return client;
  throw new ConsiliumError('BAD_REQUEST', 'The subject names no client.', { where: subject });
}
