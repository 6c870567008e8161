import { ConsiliumError, clientInbox, parseUp } from '@consilium/protocol';
import type { Msg, MsgHdrs, NatsConnection, Subscription } from 'nats';
import type { Logger } from '../log/index.js';
import { Limiter } from './limiter.js';
import { decodeValue, encodeError } from './messages.js';
import type { BusMessage, BusSubscription, SubscribeOptions } from './types.js';

export interface Outgoing {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

interface HandlersOptions {
  readonly connection: NatsConnection;
  readonly log: Logger;
  readonly encode: (value: unknown, where: string) => Uint8Array;
  readonly send: (message: Outgoing) => void;
}

/** The subscriptions of a bus and the handlers that run for them. */
export class Handlers {
  readonly #options: HandlersOptions;
  readonly #subscriptions = new Map<Subscription, Limiter>();

  constructor(options: HandlersOptions) {
    this.#options = options;
  }

  get busy(): boolean {
    return [...this.#subscriptions.values()].some((limiter) => limiter.busy);
  }

  /** @param answers whether what the handler returns is sent back. */
  listen(
    subject: string,
    options: SubscribeOptions,
    handler: (message: BusMessage) => unknown,
    answers: boolean,
  ): BusSubscription {
    const { connection, log } = this.#options;
    const limiter = new Limiter(options.concurrency ?? 64);
    const subscription = connection.subscribe(subject, {
      ...(options.queue === undefined ? {} : { queue: options.queue }),
      callback: (error, message) => {
        if (error !== null) log.error({ subject, reason: error.message }, 'the subscription has ended');
        else if (options.admit?.(message.subject, message.data.length) !== false) {
          limiter.run(() => this.#handle(message, handler, answers));
        }
      },
    });
    this.#subscriptions.set(subscription, limiter);
    return {
      subject,
      stop: async () => {
        if (!subscription.isClosed()) subscription.unsubscribe();
        await limiter.idle();
        this.#subscriptions.delete(subscription);
      },
    };
  }

  /** Takes nothing new and waits for the handlers that run. */
  async drain(): Promise<void> {
    for (const subscription of this.#subscriptions.keys()) {
      if (!subscription.isClosed()) subscription.unsubscribe();
    }
    await Promise.all([...this.#subscriptions.values()].map((limiter) => limiter.idle()));
    this.#subscriptions.clear();
  }

  /** Never rejects: what a handler throws is an answer, a log line, and no more. */
  async #handle(message: Msg, handler: (m: BusMessage) => unknown, answers: boolean): Promise<void> {
    const { log, encode } = this.#options;
    const { subject, reply = '' } = message;
    const wantsReply = reply !== '' && mayAnswerTo(subject, reply);
    if (reply !== '' && !wantsReply) {
      log.warn({ subject, reply }, 'the asker names a reply subject that is not its own inbox');
      return;
    }
    try {
      const value = decodeValue(message.data, subject);
      const result = await handler({ subject, value, wantsReply });
      if (answers && wantsReply) this.#reply(reply, { data: encode(result, subject), headers: undefined });
    } catch (error) {
      const expected = error instanceof ConsiliumError && error.http < 500;
      log[expected ? 'info' : 'error']({ subject, err: error }, 'a message was not handled');
      if (wantsReply) this.#reply(reply, encodeError(error));
    }
  }

  #reply(subject: string, answer: Omit<Outgoing, 'subject'>): void {
    try {
      this.#options.send({ subject, ...answer });
    } catch (error) {
      this.#options.log.warn({ subject, err: error }, 'an answer could not be sent');
    }
  }
}

/**
 * The asker chooses the reply subject, and we publish there with our rights. So it must be an inbox,
 * and for what clients send, the inbox of the client that the server let publish on this subject:
 * otherwise a client could make a service write to another client, or call JetStream's API for it.
 */
function mayAnswerTo(subject: string, reply: string): boolean {
  if (!subject.startsWith('consilium.up.')) return reply.startsWith('_INBOX');
  const client = parseUp(subject)?.client;
  return client !== undefined && reply.startsWith(`${clientInbox(client)}.`);
}
