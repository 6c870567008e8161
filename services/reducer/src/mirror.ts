import type { KvBucket, KvEntry, Logger } from '@consilium/platform';

/**
 * The content of a bucket in memory, kept up by a watch. It may lag; whatever is decided on it is stored by
 * compare-and-set on the record it concerns.
 */
export class Mirror<T> {
  readonly #bucket: KvBucket<T>;
  readonly #entries = new Map<string, KvEntry<T>>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(bucket: KvBucket<T>) {
    this.#bucket = bucket;
  }

  /** Resolves once all that was there is known. `onChange` is called after every later change. */
  start(onChange: () => void, log: Logger): Promise<void> {
    return new Promise((resolve) => {
      this.#running = this.#follow(resolve, onChange, log);
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
      try {
        for await (const change of this.#bucket.watch({ signal })) {
          if (change.type === 'put') this.#put(change.entry);
          else if (change.type === 'delete') this.#entries.delete(change.key);
          else ready();
          onChange();
        }
        return;
      } catch (error) {
        // One entry that cannot be read must not blind the reducer to the others for good.
        log.error({ bucket: this.#bucket.name, err: error }, 'watch ended, starting again');
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }

  #put(entry: KvEntry<T>): void {
    const there = this.#entries.get(entry.key);
    if (there === undefined || there.revision <= entry.revision) this.#entries.set(entry.key, entry);
  }
}
