import type { KvBucket, KvChange, KvEntry } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';

/** A bucket in memory with the rules of compare-and-set. `fault` runs before and after every write. */
export class MemoryKv<T> implements KvBucket<T> {
  readonly name: string;
  readonly stored = new Map<string, KvEntry<T>>();
  fault: (when: 'before' | 'after', what: string) => void = () => undefined;
  #revision = 0;

  constructor(name = 'memory') {
    this.name = name;
  }

  async get(key: string): Promise<KvEntry<T> | undefined> {
    return this.stored.get(key);
  }

  async create(key: string, value: T): Promise<number> {
    if (this.stored.has(key)) throw new ConsiliumError('BUS_CONFLICT', key);
    return this.#write(key, value);
  }

  async update(key: string, value: T, revision: number): Promise<number> {
    if (this.stored.get(key)?.revision !== revision) throw new ConsiliumError('BUS_CONFLICT', key);
    return this.#write(key, value);
  }

  async put(key: string, value: T): Promise<number> {
    return this.#write(key, value);
  }

  async delete(key: string): Promise<void> {
    this.fault('before', `delete ${key}`);
    this.stored.delete(key);
    this.fault('after', `delete ${key}`);
  }

  async keys(filter = '>'): Promise<string[]> {
    const prefix = filter.replace(/>$/, '');
    return [...this.stored.keys()].filter((key) => key.startsWith(prefix));
  }

  async entries(): Promise<KvEntry<T>[]> {
    return [...this.stored.values()];
  }

  // biome-ignore lint/correctness/useYield: nothing here is watched
  async *watch(): AsyncGenerator<KvChange<T>> {
    throw new Error('not watched');
  }

  #write(key: string, value: T): number {
    this.fault('before', `put ${key}`);
    this.#revision += 1;
    // As from the wire: what is read is never the object that was written.
    const copy = structuredClone(value);
    this.stored.set(key, { key, value: copy, revision: this.#revision, created: 0 });
    this.fault('after', `put ${key}`);
    return this.#revision;
  }
}
