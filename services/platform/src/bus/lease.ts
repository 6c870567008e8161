import { ConsiliumError } from '@consilium/protocol';
import type { KvBucket } from './kv.js';

/** What the entry of a lease says. */
export interface LeaseRecord {
  readonly holder: string;
  /** Fencing token: grows whenever the lease is taken, by whomever; kept while it is renewed. */
  readonly token: number;
}

export interface Lease {
  readonly key: string;
  readonly holder: string;
  /**
   * Fencing token. Writes made under the lease carry it, and whoever keeps their result refuses a
   * token lower than the highest it has seen: a holder that slept through its loss does no harm.
   */
  readonly token: number;
  /** False from the moment it was released or lost, by the clock of this holder. */
  readonly held: boolean;
  /** Aborted at that moment. */
  readonly signal: AbortSignal;
  /** @throws ConsiliumError BUS_LEASE_LOST */
  renew(): Promise<void>;
  /** Gives it up so that another can take it at once. Never rejects. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  /** A bucket whose TTL is that of the lease. */
  readonly bucket: KvBucket<LeaseRecord>;
  readonly key: string;
  readonly holder: string;
  /** Milliseconds; the TTL of the bucket. */
  readonly ttl: number;
  /** Monotonic or wall clock in ms; only differences count. */
  readonly now: () => number;
}

/**
 * Takes the lease, or gives undefined while somebody else holds it. The server removes the entry
 * when it was not renewed for the TTL; the holder counts from before it sent the last renewal that
 * succeeded, and so considers the lease lost earlier than anyone can take it.
 *
 * @throws ConsiliumError BUS_UNAVAILABLE, BUS_TIMEOUT
 */
export async function acquireLease(options: LeaseOptions): Promise<Lease | undefined> {
  const { bucket, key, holder, ttl, now } = options;
  const asked = now();
  // The first write learns a revision that is higher than that of every holder before; it becomes the
  // token with the second write, which also proves that the lease is still ours.
  let token: number;
  try {
    token = await bucket.create(key, { holder, token: 0 });
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === 'BUS_CONFLICT') return undefined;
    throw error;
  }
  try {
    const revision = await bucket.update(key, { holder, token }, token);
    return new HeldLease({ bucket, key, holder, ttl, now }, token, revision, asked);
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === 'BUS_CONFLICT') return undefined;
    throw error;
  }
}

class HeldLease implements Lease {
  readonly key: string;
  readonly holder: string;
  readonly token: number;
  readonly #options: LeaseOptions;
  readonly #lost = new AbortController();
  #revision: number;
  #timer: NodeJS.Timeout | undefined;
  #until = 0;

  constructor(options: LeaseOptions, token: number, revision: number, asked: number) {
    this.key = options.key;
    this.holder = options.holder;
    this.token = token;
    this.#options = options;
    this.#revision = revision;
    this.#extend(asked);
  }

  get held(): boolean {
    if (!this.#lost.signal.aborted && this.#options.now() >= this.#until) this.#lose();
    return !this.#lost.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async renew(): Promise<void> {
    if (!this.held) throw this.#error('It was not renewed in time.');
    const { bucket, now, key } = this.#options;
    const asked = now();
    const record = { holder: this.holder, token: this.token };
    try {
      this.#revision = await bucket.update(key, record, this.#revision);
    } catch (error) {
      if (!(error instanceof ConsiliumError) || error.code !== 'BUS_CONFLICT') throw error;
      await this.#reconcile();
      // Only a write of now extends the time: when the earlier one arrived is not known.
      this.#revision = await bucket.update(key, record, this.#revision);
    }
    if (this.#lost.signal.aborted) throw this.#error('The answer to the renewal came too late.');
    this.#extend(asked);
  }

  async release(): Promise<void> {
    const held = this.held;
    this.#lose();
    if (!held) return;
    // If this fails the entry ends by its TTL: slower, and just as safe.
    await this.#options.bucket.delete(this.key, this.#revision).catch(() => undefined);
  }

  /** A conflict may come from a renewal of our own whose answer was lost. */
  async #reconcile(): Promise<void> {
    const entry = await this.#options.bucket.get(this.key);
    if (entry?.value.token === this.token && entry.value.holder === this.holder) {
      this.#revision = entry.revision;
      return;
    }
    this.#lose();
    throw this.#error(entry === undefined ? 'It has expired.' : `${entry.value.holder} holds it now.`);
  }

  #extend(from: number): void {
    const { ttl, now } = this.#options;
    this.#until = from + ttl;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose(), Math.max(0, this.#until - now()));
    this.#timer.unref();
  }

  #lose(): void {
    clearTimeout(this.#timer);
    this.#lost.abort(this.#error('It was released or not renewed in time.'));
  }

  #error(detail: string): ConsiliumError {
    return new ConsiliumError('BUS_LEASE_LOST', detail, {
      where: `${this.#options.bucket.name}/${this.key}`,
    });
  }
}
