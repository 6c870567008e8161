import { ConsiliumError } from '@consilium/protocol';
import { errors, type Msg, type NatsConnection, type Status } from 'nats';
import type { Logger } from '../log/index.js';
import { type Attempt, reasonOf } from './attempt.js';
import type { Backoff } from './backoff.js';
import { Handlers, type Outgoing } from './handlers.js';
import type { JwtSource } from './jwt-source.js';
import { decodeAnswer, encodeValue } from './messages.js';
import { toBusError } from './nats-errors.js';
import { Renewal } from './renewal.js';
import type {
  Bus,
  BusMessage,
  BusState,
  BusStatus,
  BusSubscription,
  RequestOptions,
  SubscribeOptions,
} from './types.js';

interface NatsBusOptions {
  readonly connection: NatsConnection;
  readonly name: string;
  readonly inboxPrefix: string;
  readonly log: Logger;
  readonly source: JwtSource;
  readonly backoff: Backoff;
  readonly attempt: Attempt;
  readonly now: () => number;
}

const MAX_WAITING = 1_000;
const LOST = Symbol('connection lost');

/** The bus over one connection of the NATS library, which reconnects by itself. */
export class NatsBus implements Bus {
  readonly name: string;
  readonly inboxPrefix: string;
  readonly connection: NatsConnection;
  readonly #options: NatsBusOptions;
  readonly #listeners = new Set<(status: BusStatus) => void>();
  readonly #waiting: Outgoing[] = [];
  readonly #handlers: Handlers;
  readonly #renewal: Renewal;
  #state: BusState = 'connected';
  #requests = 0;
  #version: string;
  #onConnected: (() => void)[] = [];
  #onLost = new Set<() => void>();

  constructor(options: NatsBusOptions) {
    this.#options = options;
    this.name = options.name;
    this.inboxPrefix = options.inboxPrefix;
    this.connection = options.connection;
    this.#version = options.connection.info?.version ?? '';
    this.#handlers = new Handlers({
      connection: this.connection,
      log: options.log,
      encode: (value, where) => this.#encode(value, where),
      send: (message) => this.#send(message),
    });
    options.attempt.onAttempt = (attempt) => {
      if (attempt < 2) return;
      const reason = reasonOf(options.attempt);
      options.log.warn({ attempt, reason }, 'NATS is away, trying again');
      const { failure } = options.attempt;
      // Whoever gives the JWT says that this identity may not connect any more.
      if (failure instanceof ConsiliumError && (failure.http === 401 || failure.http === 403)) {
        this.#tell({ type: 'denied', detail: failure.message });
      }
      this.#tell({ type: 'retrying', attempt, reason });
    };
    this.#renewal = new Renewal({
      source: options.source,
      now: options.now,
      log: options.log,
      isIdle: () => this.#requests === 0 && !this.#handlers.busy,
      reconnect: () => this.connection.reconnect(),
    });
    this.#renewal.schedule();
    void this.#follow();
    void this.connection.closed().then(() => this.#closed());
  }

  get state(): BusState {
    return this.#state;
  }

  get serverVersion(): string {
    return this.#version;
  }

  async request(subject: string, value: unknown, options: RequestOptions = {}): Promise<unknown> {
    const { timeout = 5_000, resend = true, signal } = options;
    const data = this.#encode(value, subject);
    const deadline = this.#options.now() + timeout;
    this.#requests += 1;
    try {
      for (;;) {
        const left = (): number => Math.max(1, deadline - this.#options.now());
        await this.ready(left());
        const answer = await this.#once(subject, data, left(), signal);
        if (answer !== LOST) return decodeAnswer(answer, subject);
        if (!resend) {
          const detail = 'The connection was lost before the answer; whether it arrived is unknown.';
          throw new ConsiliumError('BUS_UNAVAILABLE', detail, { where: subject });
        }
      }
    } catch (error) {
      throw toBusError(error, subject);
    } finally {
      this.#requests -= 1;
    }
  }

  /** One try. The connection's end, or the caller's signal, ends the wait before the answer does. */
  async #once(
    subject: string,
    data: Uint8Array,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Msg | typeof LOST> {
    signal?.throwIfAborted();
    const answer = this.connection.request(subject, data, { timeout });
    answer.catch(() => undefined); // it may fail after we have stopped waiting
    let stop: () => void = () => undefined;
    let abort: () => void = () => undefined;
    const end = new Promise<typeof LOST>((resolve, reject) => {
      stop = () => resolve(LOST);
      abort = () =>
        reject(new ConsiliumError('BUS_CLOSED', 'The request was cancelled.', { where: subject }));
    });
    this.#onLost.add(stop);
    signal?.addEventListener('abort', abort);
    try {
      return await Promise.race([answer, end]);
    } finally {
      this.#onLost.delete(stop);
      signal?.removeEventListener('abort', abort);
    }
  }

  publish(subject: string, value: unknown): void {
    this.#send({ subject, data: this.#encode(value, subject), headers: undefined });
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options: SubscribeOptions = {},
  ): BusSubscription {
    return this.#handlers.listen(subject, options, handler, false);
  }

  respond(
    subject: string,
    handler: (message: BusMessage) => unknown,
    options: SubscribeOptions = {},
  ): BusSubscription {
    return this.#handlers.listen(subject, options, handler, true);
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async ready(timeout = 30_000): Promise<void> {
    if (this.#state === 'connected') return;
    this.#requireOpen();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#onConnected.push(resolve);
      if (timeout === Number.POSITIVE_INFINITY) return;
      timer = setTimeout(() => {
        const reason = reasonOf(this.#options.attempt) ?? 'no connection';
        const detail = `After ${timeout} ms: ${reason}.`;
        reject(new ConsiliumError('BUS_UNAVAILABLE', detail, { where: this.connection.getServer() }));
      }, timeout);
    }).finally(() => clearTimeout(timer));
    this.#requireOpen();
  }

  async flush(): Promise<void> {
    await this.ready();
    await this.connection.flush().catch((error: unknown) => {
      throw toBusError(error, 'flush');
    });
  }

  async drain(): Promise<void> {
    await this.#handlers.drain();
    if (this.#state === 'connected') await this.connection.flush().catch(() => undefined);
    await this.close();
  }

  async close(): Promise<void> {
    this.#renewal.stop();
    await this.connection.close().catch(() => undefined);
    this.#closed();
  }

  #encode(value: unknown, where: string): Uint8Array {
    const data = encodeValue(value, where);
    const limit = this.connection.info?.max_payload ?? 1024 * 1024;
    if (data.length <= limit) return data;
    const detail = `It has ${data.length} bytes, ${limit} are allowed.`;
    throw new ConsiliumError('BUS_TOO_LARGE', detail, { where });
  }

  #send(message: Outgoing): void {
    if (this.#state === 'connected') {
      const { subject, data, headers } = message;
      try {
        this.connection.publish(subject, data, headers === undefined ? {} : { headers });
      } catch (error) {
        throw toBusError(error, subject);
      }
      return;
    }
    this.#requireOpen();
    // The library forgets what was published between two attempts, so it waits here.
    this.#waiting.push(message);
    if (this.#waiting.length <= MAX_WAITING) return;
    this.#waiting.shift();
    this.#options.log.warn(
      { limit: MAX_WAITING },
      'NATS is away and the queue is full: the oldest message was dropped',
    );
    this.#tell({ type: 'dropped', messages: 1 });
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) this.#on(status);
  }

  #on(status: Status): void {
    if (status.type === 'disconnect') this.#lost();
    else if (status.type === 'reconnect') this.#connected();
    else if (status.type === 'ldm') void this.connection.reconnect();
    else if (status.type === 'error') this.#refused(status.error);
  }

  #connected(): void {
    const { log, backoff } = this.#options;
    backoff.succeeded();
    this.#options.attempt.failure = undefined;
    this.#options.attempt.previous = undefined;
    this.#state = 'connected';
    this.#version = this.connection.info?.version ?? this.#version;
    for (const message of this.#waiting.splice(0)) this.#send(message);
    const waiters = this.#onConnected;
    this.#onConnected = [];
    for (const resolve of waiters) resolve();
    this.#renewal.schedule();
    const server = this.connection.getServer();
    log.debug({ server, version: this.#version }, 'connected to NATS again');
    this.#tell({ type: 'connected', server, version: this.#version, first: false });
  }

  #lost(): void {
    if (this.#state !== 'connected') return;
    this.#state = 'disconnected';
    for (const stop of [...this.#onLost]) stop();
    const reason = reasonOf(this.#options.attempt);
    this.#options.log.debug({ reason }, 'the NATS connection was lost');
    this.#tell({ type: 'disconnected', reason });
  }

  #refused(error: Error): void {
    const { log, source } = this.#options;
    if (error instanceof errors.UserAuthenticationExpiredError) {
      source.reject();
      return; // expected: the server ends a connection with its JWT, and we come back with the next
    }
    if (error instanceof errors.AuthorizationError) source.reject();
    else if (!(error instanceof errors.PermissionViolationError)) {
      log.warn({ reason: error.message }, 'the NATS server reports an error');
      return;
    }
    log.error({ reason: error.message }, 'the NATS server refuses this');
    this.#tell({ type: 'denied', detail: error.message });
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#renewal.stop();
    for (const stop of [...this.#onLost]) stop();
    for (const resolve of this.#onConnected.splice(0)) resolve();
    this.#tell({ type: 'closed' });
  }

  #tell(status: BusStatus): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(status);
      } catch (error) {
        this.#options.log.error({ err: error }, 'a listener of the bus failed');
      }
    }
  }

  #requireOpen(): void {
    if (this.#state === 'closed') throw new ConsiliumError('BUS_CLOSED', `Name: ${this.name}.`);
  }
}
