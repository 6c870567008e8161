import type { NatsConnection } from 'nats';

/** A message as a handler gets it. `value` has been parsed but not checked: validate it by schema. */
export interface BusMessage {
  readonly subject: string;
  readonly value: unknown;
  /** Whether the sender waits for an answer. */
  readonly wantsReply: boolean;
}

export interface RequestOptions {
  /** Milliseconds for the whole request, waiting for a connection included. Default 5,000. */
  readonly timeout?: number;
  /**
   * Whether to send it again when the connection was lost while waiting (default). The receiver
   * must then recognise a repeated message, by an idempotency key or by its nature.
   */
  readonly resend?: boolean;
  readonly signal?: AbortSignal;
}

export interface SubscribeOptions {
  /** Members of a queue group share the messages. */
  readonly queue?: string;
  /** How many handlers may run at once; 1 keeps the order of arrival. Default 64. */
  readonly concurrency?: number;
  /**
   * Asked of each message before it is queued or read: false drops it without an answer. Without it, whoever
   * sends faster than handlers work fills the memory.
   */
  readonly admit?: (subject: string, bytes: number) => boolean;
}

export interface BusSubscription {
  readonly subject: string;
  /** Takes no new messages; resolves when the handlers that run have ended. */
  stop(): Promise<void>;
}

export type BusState = 'connecting' | 'connected' | 'disconnected' | 'closed';

/** What happens to the connection. `denied`: the server refuses this identity or this subject. */
export type BusStatus =
  | { readonly type: 'connected'; readonly server: string; readonly version: string; readonly first: boolean }
  | { readonly type: 'disconnected'; readonly reason: string | undefined }
  | { readonly type: 'retrying'; readonly attempt: number; readonly reason: string | undefined }
  | { readonly type: 'denied'; readonly detail: string }
  | { readonly type: 'dropped'; readonly messages: number }
  | { readonly type: 'closed' };

/**
 * A NATS connection that speaks JSON and comes back by itself: it retries for ever with backoff and
 * jitter and renews its JWT at each connection. Delivery is at most once per connection, so whatever
 * matters is a request with an answer, repeated until answered.
 */
export interface Bus {
  readonly name: string;
  readonly state: BusState;
  /** Private inbox of this identity, such as `_INBOX_<client>`. */
  readonly inboxPrefix: string;
  /** Version of the server last connected to, such as `2.15.2`. */
  readonly serverVersion: string;

  /**
   * Sends a request and gives the answer. An error of the other side arrives as the ConsiliumError
   * that it threw there.
   * @throws ConsiliumError BUS_TIMEOUT, BUS_NO_RESPONDER (at once), BUS_UNAVAILABLE (no connection
   *   within the time), BUS_DENIED, BUS_TOO_LARGE, BUS_BAD_MESSAGE, BUS_CLOSED, or the remote error.
   */
  request(subject: string, value: unknown, options?: RequestOptions): Promise<unknown>;

  /**
   * Sends without an answer. While the connection is away, up to 1,000 messages wait for it; beyond
   * that the oldest are dropped, with a warning and a `dropped` status.
   * @throws ConsiliumError BUS_TOO_LARGE, BUS_BAD_MESSAGE (no JSON value), BUS_CLOSED
   */
  publish(subject: string, value: unknown): void;

  /** Runs the handler for each message. What it throws is logged (and answered, if an answer is wanted). */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options?: SubscribeOptions,
  ): BusSubscription;

  /** Answers requests: what the handler returns is the answer, what it throws the error of the asker. */
  respond(
    subject: string,
    handler: (message: BusMessage) => unknown,
    options?: SubscribeOptions,
  ): BusSubscription;

  onStatus(listener: (status: BusStatus) => void): () => void;

  /** Resolves once connected; a `timeout` of Infinity waits for ever. @throws ConsiliumError BUS_UNAVAILABLE after `timeout` ms, BUS_CLOSED */
  ready(timeout?: number): Promise<void>;

  /** Resolves when the server has seen everything sent so far. @throws ConsiliumError BUS_UNAVAILABLE */
  flush(): Promise<void>;

  /** Lets running handlers end and their answers out, then closes. Never rejects. */
  drain(): Promise<void>;

  /** Closes at once. Never rejects. */
  close(): Promise<void>;

  /** The connection below, for JetStream. */
  readonly connection: NatsConnection;
}
