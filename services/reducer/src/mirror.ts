import { setTimeout as sleep } from 'node:timers/promises';
import type { KvBucket, KvEntry, Logger } from '@consilium/platform';

/**
 * The content of a bucket in memory, kept up by a watch. It may lag; whatever is decided on it is stored by
 * compare-and-set on the record it concerns.
 */
export class Mirror<T> {
  readonly #bucket: KvBucket<T | undefined>;
  readonly #entries = new Map<string, KvEntry<T>>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  /** @param bucket gives `undefined` for an entry that cannot be read: it is left out, and said. */
  constructor(bucket: KvBucket<T | undefined>) {
    this.#bucket = bucket;
  }

  /** Resolves once all that was there is known. `onChange` is called after every later change. */
  start(onChange: () => void, log: Logger): Promise<void> {
    return new Promise((resolve) => {
      this.#running = this.#follow(resolve, onChange, log).finally(resolve);
    });
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  values(): T[] {
    return [...this.#entries.values()].map((entry) => entry.value);
  }

  entries(): [string, T][] {
    return [...this.#entries.entries()].map(([key, entry]) => [key, entry.value]);
  }

  /** Takes over what this process wrote itself, before the watch tells it. */
  set(key: string, value: T, revision: number): void {
    this.#entries.set(key, { key, value, revision, created: 0 });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #follow(ready: () => void, onChange: () => void, log: Logger): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const listed = new Set<string>();
      let listing = true;
      try {
        for await (const change of this.#bucket.watch({ signal })) {
          if (change.type === 'put') {
            this.#put(change.entry, log);
            if (listing) listed.add(change.key);
          } else if (change.type === 'delete') {
            this.#entries.delete(change.key);
          } else {
            // A watch that began anew does not tell what was deleted before it.
            if (listing)
              for (const key of this.#entries.keys()) if (!listed.has(key)) this.#entries.delete(key);
            listing = false;
            ready();
          }
          onChange();
        }
        return;
      } catch (error) {
        log.error({ bucket: this.#bucket.name, err: error }, 'watch ended, starting again');
        await sleep(1000, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #put({ key, value, revision, created }: KvEntry<T | undefined>, log: Logger): void {
    const there = this.#entries.get(key);
    if (there !== undefined && there.revision > revision) return;
    if (value !== undefined) {
      this.#entries.set(key, { key, value, revision, created });
      return;
    }
    this.#entries.delete(key);
    log.error({ bucket: this.#bucket.name, key }, 'an entry cannot be read and is left out');
  }
}
