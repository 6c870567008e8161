import { setTimeout as sleep } from 'node:timers/promises';
import { asConsiliumError, ConsiliumError } from '@consilium/protocol';
import {
  DiscardPolicy,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { nanos } from 'nats';
import { decodeValue, encodeValue } from './messages.js';
import { toBusError } from './nats-errors.js';
import { openOrderedReader } from './ordered-reader.js';
import type { Bus } from './types.js';

export interface StreamOptions {
  readonly name: string;
  readonly subjects: readonly string[];
  /** Milliseconds that a message is kept; 0 (default) for ever. */
  readonly maxAge?: number;
  /** Bytes that are kept, the oldest go first; -1 (default) without limit. */
  readonly maxBytes?: number;
  /** 1, 3 or 5. Default 1. */
  readonly replicas?: number;
}

export interface StreamMessage {
  /** Position in the stream, from 1; gaps are possible. */
  readonly sequence: number;
  readonly subject: string;
  readonly value: unknown;
  /** When the server took it, ms since 1970. */
  readonly time: number;
}

export interface PublishOptions {
  /** Two messages with one id within two minutes count as one. */
  readonly id?: string;
  /** Only if the stream's last message is that one (0: if it is empty). */
  readonly expectedLastSequence?: number;
}

/** A stream of JSON messages kept by JetStream. For services only. */
export interface EventStream {
  readonly name: string;
  /**
   * Appends and gives the sequence; `duplicate` when a message of that id was there already.
   * @throws ConsiliumError BUS_CONFLICT (expected sequence), BUS_TIMEOUT (it may have been stored)
   */
  publish(
    subject: string,
    value: unknown,
    options?: PublishOptions,
  ): Promise<{ sequence: number; duplicate: boolean }>;
  /** What is there, in order, from a sequence on (1: all), to the end as it was at the call. */
  read(options?: { from?: number; filter?: string }): AsyncIterable<StreamMessage>;
  /**
   * The same and then everything new, until the signal. It survives reconnections without missing or
   * repeating a message. Ends by itself when the bus closes.
   */
  follow(options?: { from?: number; filter?: string; signal?: AbortSignal }): AsyncIterable<StreamMessage>;
  /** Sequence of the newest message, 0 when there was none yet. */
  lastSequence(): Promise<number>;
}

/**
 * Opens a stream, making it, or bringing its limits up to what is asked.
 * @throws ConsiliumError BUS_UNAVAILABLE, BUS_DENIED
 */
export async function openStream(bus: Bus, options: StreamOptions): Promise<EventStream> {
  const { name, subjects, maxAge = 0, maxBytes = -1, replicas = 1 } = options;
  const wanted = {
    subjects: [...subjects],
    max_age: nanos(maxAge),
    max_bytes: maxBytes,
    num_replicas: replicas,
  };
  await bus.ready();
  try {
    const manager = await jetstreamManager(bus.connection);
    try {
      const { config } = await manager.streams.info(name);
      const same = Object.entries(wanted).every(
        ([key, value]) => JSON.stringify(config[key as keyof typeof wanted]) === JSON.stringify(value),
      );
      if (!same) await manager.streams.update(name, { ...config, ...wanted });
    } catch (error) {
      if (toBusError(error, name).code !== 'BUS_NOT_FOUND') throw error;
      await manager.streams.add({
        ...wanted,
        name,
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.Old,
      });
    }
    return new NatsEventStream(bus, name);
  } catch (error) {
    throw toBusError(error, name);
  }
}

class NatsEventStream implements EventStream {
  readonly name: string;
  readonly #bus: Bus;

  constructor(bus: Bus, name: string) {
    this.#bus = bus;
    this.name = name;
  }

  async publish(
    subject: string,
    value: unknown,
    options: PublishOptions = {},
  ): Promise<{ sequence: number; duplicate: boolean }> {
    const { id, expectedLastSequence } = options;
    const data = encodeValue(value, subject);
    try {
      await this.#bus.ready();
      const expected = expectedLastSequence === undefined ? {} : { lastSequence: expectedLastSequence };
      const ack = await jetstream(this.#bus.connection).publish(subject, data, {
        ...(id === undefined ? {} : { msgID: id }),
        expect: { streamName: this.name, ...expected },
      });
      return { sequence: ack.seq, duplicate: ack.duplicate };
    } catch (error) {
      throw toBusError(error, subject);
    }
  }

  async *read(options: { from?: number; filter?: string } = {}): AsyncGenerator<StreamMessage> {
    const end = await this.lastSequence();
    if (end >= (options.from ?? 1)) yield* this.follow({ ...options, until: end });
  }

  async *follow(
    options: { from?: number; filter?: string; signal?: AbortSignal; until?: number } = {},
  ): AsyncGenerator<StreamMessage> {
    const { filter = '>', signal, until } = options;
    let next = options.from ?? 1;
    while (signal?.aborted !== true) {
      try {
        await this.#bus.ready(Number.POSITIVE_INFINITY);
        const reader = await openOrderedReader(this.#bus, { stream: this.name, filter, from: next });
        const stop = (): void => reader.stop();
        signal?.addEventListener('abort', stop);
        try {
          for await (const item of reader.items) {
            if (item === 'lost') break;
            if (item === 'caught-up') {
              if (until === undefined) continue;
              return;
            }
            if (item.seq < next) continue;
            if (until !== undefined && item.seq > until) return;
            next = item.seq + 1;
            yield this.#message(item);
          }
        } finally {
          signal?.removeEventListener('abort', stop);
          reader.stop();
        }
      } catch (error) {
        const found = asConsiliumError(toBusError(error, this.name));
        if (found.code === 'BUS_CLOSED') return;
        if (found.http < 500) throw found;
      }
      if (this.#bus.state === 'closed') return;
      await sleep(100, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  async lastSequence(): Promise<number> {
    try {
      await this.#bus.ready();
      const manager = await jetstreamManager(this.#bus.connection);
      return (await manager.streams.info(this.name)).state.last_seq;
    } catch (error) {
      throw toBusError(error, this.name);
    }
  }

  #message(item: JsMsg): StreamMessage {
    const where = `${this.name}/${item.seq}`;
    try {
      const time = Math.floor(item.info.timestampNanos / 1e6);
      return { sequence: item.seq, subject: item.subject, value: decodeValue(item.data, where), time };
    } catch (error) {
      throw error instanceof ConsiliumError ? error : toBusError(error, where);
    }
  }
}
