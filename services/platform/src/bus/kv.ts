import { setTimeout as sleep } from 'node:timers/promises';
import { asConsiliumError, ConsiliumError } from '@consilium/protocol';
import { type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { millis, nanos } from 'nats';
import { decodeValue } from './messages.js';
import { toBusError } from './nats-errors.js';
import { openOrderedReader } from './ordered-reader.js';
import type { Bus } from './types.js';

export interface KvOptions<T> {
  /** Letters, digits, `-` and `_`. */
  readonly name: string;
  /** Milliseconds after which an entry that was not written again disappears; 0 (default) keeps for ever. */
  readonly ttl?: number;
  /** Version of the values' schema that is written. Default 1. */
  readonly schema?: number;
  /**
   * Checks a value that was read, and migrates one of an older schema. What it throws becomes
   * BUS_BAD_MESSAGE with bucket and key, unless it is a ConsiliumError already.
   */
  readonly validate?: (value: unknown, schema: number) => T;
  /** 1, 3 or 5. Default 1. */
  readonly replicas?: number;
}

export interface KvEntry<T> {
  readonly key: string;
  readonly value: T;
  /** Grows with every write to the bucket; the token for `update`. */
  readonly revision: number;
  /** When it was written by the server's clock, ms since 1970. */
  readonly created: number;
}

/** `current`: all that was there has been told (again, after a reconnection). */
export type KvChange<T> =
  | { readonly type: 'put'; readonly key: string; readonly entry: KvEntry<T> }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'current' };

/** A bucket of JSON values with compare-and-set, in JetStream. For services only. */
export interface KvBucket<T> {
  readonly name: string;
  /** The entry, or undefined. @throws ConsiliumError BUS_BAD_MESSAGE when the stored value is not valid. */
  get(key: string): Promise<KvEntry<T> | undefined>;
  /** Writes a key that does not exist and gives its revision. @throws ConsiliumError BUS_CONFLICT when it does. */
  create(key: string, value: T): Promise<number>;
  /** Writes if the revision is still that. @throws ConsiliumError BUS_CONFLICT when it is not. */
  update(key: string, value: T, revision: number): Promise<number>;
  put(key: string, value: T): Promise<number>;
  /** Deletes, if given only at that revision. @throws ConsiliumError BUS_CONFLICT */
  delete(key: string, revision?: number): Promise<void>;
  /** Keys that match, such as `session-1.>`; all by default. In order of their last write. */
  keys(filter?: string): Promise<string[]>;
  /** Entries that match, at one moment. In order of their last write. */
  entries(filter?: string): Promise<KvEntry<T>[]>;
  /**
   * All entries that match, then every change, until the signal. It survives reconnections by listing
   * anew, so that the last state of every key is always told, intermediate ones perhaps not. Entries
   * that expired are told as deleted: in a bucket with a TTL within half of it.
   * An entry that is not valid ends it with BUS_BAD_MESSAGE. Ends by itself when the bus closes.
   */
  watch(options?: { filter?: string; signal?: AbortSignal }): AsyncIterable<KvChange<T>>;
}

const NAME = /^[-\w]{1,64}$/;
const KEY = /^[-/=\w]+(\.[-/=\w]+)*$/;
const FILTER = /^(?:(?:[-/=\w]+|\*)\.)*(?:[-/=\w]+|\*|>)$/;

/**
 * Opens the bucket, making it if it is missing. Writes that fail with BUS_TIMEOUT or BUS_UNAVAILABLE
 * may have been stored all the same: read before repeating.
 *
 * @throws ConsiliumError BUS_BAD_KEY (name), BUS_UNAVAILABLE, BUS_DENIED
 */
export async function openKv<T>(bus: Bus, options: KvOptions<T>): Promise<KvBucket<T>> {
  const { name, ttl = 0, replicas = 1 } = options;
  if (!NAME.test(name))
    throw new ConsiliumError('BUS_BAD_KEY', `"${name}" is no bucket name.`, { where: 'bucket' });
  await bus.ready();
  try {
    const kv = await new Kvm(jetstream(bus.connection)).create(name, {
      history: 1,
      ttl,
      replicas,
      // Direct reads may come from a replica that lags; a state machine must read what holds.
      allow_direct: false,
    });
    await adjustTtl(bus, name, ttl);
    return new NatsKvBucket(bus, kv, options);
  } catch (error) {
    throw toBusError(error, name);
  }
}

/** A bucket that is there keeps its settings; a new TTL in the code must still come to hold. */
async function adjustTtl(bus: Bus, name: string, ttl: number): Promise<void> {
  const manager = await jetstreamManager(bus.connection);
  const { config } = await manager.streams.info(`KV_${name}`);
  if (millis(config.max_age) === ttl) return;
  const window = ttl === 0 ? config.duplicate_window : Math.min(config.duplicate_window, nanos(ttl));
  await manager.streams.update(config.name, { ...config, max_age: nanos(ttl), duplicate_window: window });
}

class NatsKvBucket<T> implements KvBucket<T> {
  readonly name: string;
  readonly #bus: Bus;
  readonly #kv: KV;
  readonly #options: KvOptions<T>;

  constructor(bus: Bus, kv: KV, options: KvOptions<T>) {
    this.name = options.name;
    this.#bus = bus;
    this.#kv = kv;
    this.#options = options;
  }

  async get(key: string): Promise<KvEntry<T> | undefined> {
    const found = await this.#do(key, () => this.#kv.get(key));
    if (found === null || found.operation !== 'PUT') return undefined;
    return this.#entry(key, found.value, found.revision, found.created.getTime());
  }

  create(key: string, value: T): Promise<number> {
    return this.#do(key, () => this.#kv.create(key, this.#wrap(value)));
  }

  update(key: string, value: T, revision: number): Promise<number> {
    return this.#do(key, () => this.#kv.update(key, this.#wrap(value), revision));
  }

  put(key: string, value: T): Promise<number> {
    return this.#do(key, () => this.#kv.put(key, this.#wrap(value)));
  }

  delete(key: string, revision?: number): Promise<void> {
    const at = revision === undefined ? {} : { previousSeq: revision };
    return this.#do(key, () => this.#kv.delete(key, at));
  }

  async keys(filter = '>'): Promise<string[]> {
    return (await this.#list(filter)).map((message) => this.#keyOf(message));
  }

  async entries(filter = '>'): Promise<KvEntry<T>[]> {
    return (await this.#list(filter)).map((message) => this.#entryOf(message));
  }

  async *watch(options: { filter?: string; signal?: AbortSignal } = {}): AsyncGenerator<KvChange<T>> {
    const { filter = '>', signal } = options;
    const known = new Map<string, number>();
    while (signal?.aborted !== true) {
      try {
        yield* this.#watchOnce(filter, known, signal);
      } catch (error) {
        const found = asConsiliumError(toBusError(error, this.name));
        if (found.code === 'BUS_CLOSED') return;
        if (found.http < 500) throw found;
      }
      if (this.#bus.state === 'closed') return;
      await sleep(100, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  /** One listing and what follows it, until the connection is lost or the listing is to be repeated. */
  async *#watchOnce(
    filter: string,
    known: Map<string, number>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<KvChange<T>> {
    const reader = await this.#read(filter);
    const stop = (): void => reader.stop();
    signal?.addEventListener('abort', stop);
    const { ttl = 0 } = this.#options;
    const relist = ttl === 0 ? undefined : setTimeout(stop, Math.max(250, ttl / 2));
    relist?.unref();
    const listed = new Set<string>();
    let listing = true;
    try {
      for await (const item of reader.items) {
        if (item === 'lost') return;
        if (item === 'caught-up') {
          listing = false;
          yield* this.#vanished(known, listed);
          yield { type: 'current' };
          continue;
        }
        const key = this.#keyOf(item);
        if (listing) listed.add(key);
        if ((known.get(key) ?? 0) >= item.seq) continue;
        if (isRemoval(item)) {
          if (known.delete(key)) yield { type: 'delete', key };
          continue;
        }
        known.set(key, item.seq);
        yield { type: 'put', key, entry: this.#entryOf(item) };
      }
    } finally {
      clearTimeout(relist);
      signal?.removeEventListener('abort', stop);
      reader.stop();
    }
  }

  *#vanished(known: Map<string, number>, listed: Set<string>): Generator<KvChange<T>> {
    for (const key of [...known.keys()]) {
      if (listed.has(key)) continue;
      known.delete(key);
      yield { type: 'delete', key };
    }
  }

  /** The last write of every key that is not a removal. */
  async #list(filter: string): Promise<JsMsg[]> {
    return this.#do(undefined, async () => {
      const reader = await this.#read(filter);
      const found: JsMsg[] = [];
      try {
        for await (const item of reader.items) {
          if (item === 'caught-up') return found.filter((message) => !isRemoval(message));
          if (item === 'lost') break;
          found.push(item);
        }
      } finally {
        reader.stop();
      }
      throw new ConsiliumError('BUS_UNAVAILABLE', 'The connection was lost while listing.', {
        where: this.name,
      });
    });
  }

  async #read(filter: string): ReturnType<typeof openOrderedReader> {
    if (!FILTER.test(filter)) {
      throw new ConsiliumError('BUS_BAD_KEY', `"${filter}" is no filter for keys.`, { where: this.name });
    }
    await this.#bus.ready(Number.POSITIVE_INFINITY);
    const options = { stream: `KV_${this.name}`, filter: `$KV.${this.name}.${filter}` };
    return openOrderedReader(this.#bus, { ...options, from: 'last-per-subject' });
  }

  async #do<R>(key: string | undefined, task: () => Promise<R>): Promise<R> {
    const where = key === undefined ? this.name : `${this.name}/${key}`;
    if (key !== undefined && (!KEY.test(key) || key.length > 512)) {
      throw new ConsiliumError('BUS_BAD_KEY', `"${key.slice(0, 80)}" is no key.`, { where: this.name });
    }
    try {
      await this.#bus.ready();
      return await task();
    } catch (error) {
      throw toBusError(error, where);
    }
  }

  #wrap(value: T): string {
    return JSON.stringify({ schema: this.#options.schema ?? 1, value });
  }

  #keyOf(message: JsMsg): string {
    return message.subject.slice(`$KV.${this.name}.`.length);
  }

  #entryOf(message: JsMsg): KvEntry<T> {
    const created = Math.floor(message.info.timestampNanos / 1e6);
    return this.#entry(this.#keyOf(message), message.data, message.seq, created);
  }

  #entry(key: string, data: Uint8Array, revision: number, created: number): KvEntry<T> {
    const where = `${this.name}/${key}`;
    const stored = decodeValue(data, where);
    const { schema = 1, validate } = this.#options;
    if (typeof stored !== 'object' || stored === null || !('schema' in stored) || !('value' in stored)) {
      throw new ConsiliumError('BUS_BAD_MESSAGE', 'The stored value has no schema version.', { where });
    }
    if (typeof stored.schema !== 'number' || stored.schema > schema) {
      const detail = `It was stored with schema ${String(stored.schema)}, this program knows up to ${schema}.`;
      throw new ConsiliumError('BUS_BAD_MESSAGE', detail, { where });
    }
    try {
      const value = validate === undefined ? (stored.value as T) : validate(stored.value, stored.schema);
      return { key, value, revision, created };
    } catch (error) {
      if (error instanceof ConsiliumError) throw error;
      const detail = error instanceof Error ? error.message : String(error);
      throw new ConsiliumError('BUS_BAD_MESSAGE', detail, { where, cause: error });
    }
  }
}

function isRemoval(message: JsMsg): boolean {
  const operation = message.headers?.get('KV-Operation') ?? '';
  // `Nats-Marker-Reason` is how newer servers say that an entry expired.
  return (
    operation === 'DEL' || operation === 'PURGE' || (message.headers?.has('Nats-Marker-Reason') ?? false)
  );
}
