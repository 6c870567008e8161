import type { ClientRecord, CombinerRecord, Presence } from '@consilium/protocol';
import type { Mirror } from '../mirror.js';
import type { AvailableClient } from './sampling.js';

/** Which combiners and clients are there now: entries of buckets with a TTL that they write again and again. */
export class Fleet {
  readonly #clients: Mirror<ClientRecord>;
  readonly #presence: Mirror<Presence>;
  readonly #combiners: Mirror<CombinerRecord>;

  constructor(clients: Mirror<ClientRecord>, presence: Mirror<Presence>, combiners: Mirror<CombinerRecord>) {
    this.#clients = clients;
    this.#presence = presence;
    this.#combiners = combiners;
  }

  livingCombiners(): string[] {
    return this.#combiners.values().map((record) => record.combiner);
  }

  /** Connected clients that are not revoked and whose combiner lives. */
  available(): AvailableClient[] {
    const living = new Set(this.livingCombiners());
    return this.#presence
      .values()
      .filter(({ client, combiner }) => living.has(combiner) && this.isAllowed(client))
      .map(({ client, combiner }) => ({ client, combiner }));
  }

  isAllowed(client: string): boolean {
    const record = this.#clients.get(client);
    return record !== undefined && record.revoked_at === null;
  }

  isConnected(client: string): boolean {
    return this.available().some((entry) => entry.client === client);
  }

  client(name: string): ClientRecord | undefined {
    return this.#clients.get(name);
  }

  clients(): ClientRecord[] {
    return this.#clients.values();
  }

  combiners(): CombinerRecord[] {
    return this.#combiners.values();
  }

  /** The combiner a client should talk to: the one it prefers, the one it had, or the one with the fewest clients. */
  combinerFor(client: string, preferred: string | undefined): string | undefined {
    const living = this.livingCombiners().sort();
    if (preferred !== undefined && living.includes(preferred)) return preferred;
    const had = this.#clients.get(client)?.combiner;
    if (had !== null && had !== undefined && living.includes(had)) return had;
    const load = new Map(living.map((combiner) => [combiner, 0]));
    // Assigned counts too: clients that enrol at the same moment have no presence yet.
    for (const record of this.#clients.values()) {
      if (record.revoked_at === null && record.combiner !== null && load.has(record.combiner)) {
        load.set(record.combiner, load.get(record.combiner)! + 1);
      }
    }
    return living.sort((a, b) => load.get(a)! - load.get(b)! || (a < b ? -1 : 1))[0];
  }
}
