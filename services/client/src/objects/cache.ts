import { mkdir, readdir, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectRef } from '@consilium/protocol';
import { unwritable } from '../state/json-file.js';

/** A leftover of a download that nobody went on with for so long is removed. */
const STALE_PART_MS = 24 * 3600 * 1000;

/** A file of the cache that cannot be evicted until it is released. */
export interface CachedObject {
  readonly path: string;
  release(): void;
}

/** Downloads an object to exactly this path; the file must not appear there before it is whole and checked. */
export type Fetch = (path: string) => Promise<void>;

/**
 * Models and packages by digest, so that a round's model is downloaded once, however many tasks read it. When
 * more than `maxBytes` lie there, the least recently used go, except those in use.
 */
export class ObjectCache {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #pins = new Map<string, number>();
  readonly #fetching = new Map<string, Promise<void>>();

  constructor(folder: string, maxBytes: number, now: () => number) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  /** The object as a file, from the cache or by `fetch`. Several callers share one download. */
  async get(ref: ObjectRef, fetch: Fetch): Promise<CachedObject> {
    const name = ref.digest.slice('sha256:'.length);
    const path = join(this.#folder, name);
    this.#pins.set(name, (this.#pins.get(name) ?? 0) + 1);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      const left = (this.#pins.get(name) ?? 1) - 1;
      if (left === 0) this.#pins.delete(name);
      else this.#pins.set(name, left);
    };
    try {
      await this.#ensure(name, path, ref.size, fetch);
      return { path, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #ensure(name: string, path: string, size: number, fetch: Fetch): Promise<void> {
    // Whoever waits for somebody else's download that failed or was called off makes one of its own.
    for (let other = this.#fetching.get(name); other !== undefined; other = this.#fetching.get(name)) {
      await other.catch(() => undefined);
    }
    const work = this.#fetch(path, size, fetch).finally(() => this.#fetching.delete(name));
    this.#fetching.set(name, work);
    await work;
  }

  async #fetch(path: string, size: number, fetch: Fetch): Promise<void> {
    const there = await stat(path).catch(() => undefined);
    if (there?.size !== size) {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
        throw unwritable(this.#folder, cause);
      });
      await fetch(path);
    }
    const time = new Date(this.#now());
    await utimes(path, time, time);
    if (there?.size !== size) await this.#evict();
  }

  async #evict(): Promise<void> {
    const files: { name: string; size: number; used: number }[] = [];
    for (const name of await readdir(this.#folder)) {
      const info = await stat(join(this.#folder, name)).catch(() => undefined);
      if (info?.isFile() === true) files.push({ name, size: info.size, used: info.mtimeMs });
    }
    let total = files.reduce((sum, file) => sum + file.size, 0);
    for (const { name, size, used } of files.sort((a, b) => a.used - b.used)) {
      const part = !/^[0-9a-f]{64}$/.test(name);
      const stale = part && this.#now() - used > STALE_PART_MS;
      const surplus = !part && total > this.#maxBytes && !this.#pins.has(name);
      if (!stale && !surplus) continue;
      await unlink(join(this.#folder, name)).catch(() => undefined); // somebody else was faster
      total -= size;
    }
  }
}
