import { join } from 'node:path';
import { modelInfos } from '@consilium/aggregation';
import { type ObjectStore, objectSource } from '@consilium/platform';
import { asConsiliumError, ConsiliumError, type ObjectRef } from '@consilium/protocol';
import type { TensorInfo } from '@consilium/tensor';
import { fetchVerified, type VerifiedObject } from './update-file.js';

/** Base models whose structure is remembered; one is in work in each session. */
const REMEMBERED = 16;

/** The models that updates start from, read once for all updates of a phase. */
export class BaseModels {
  readonly #store: ObjectStore;
  readonly #tempDir: string;
  readonly #infos = new Map<string, readonly TensorInfo[]>();
  #file: { digest: string; object: VerifiedObject } | undefined;
  #files = 0;

  constructor(store: ObjectStore, tempDir: string) {
    this.#store = store;
    this.#tempDir = tempDir;
  }

  /** Names, dtypes and shapes. @throws ConsiliumError INTERNAL or transient: never the update's fault */
  async infos(base: ObjectRef): Promise<readonly TensorInfo[]> {
    const known = this.#infos.get(base.digest);
    if (known !== undefined) return known;
    const infos = await notTheUpdate(base, async () => {
      const source = await objectSource(this.#store, base.bucket, base.key);
      return await modelInfos({ source, label: 'base model' });
    });
    const oldest = this.#infos.keys().next();
    if (this.#infos.size >= REMEMBERED && oldest.done !== true) this.#infos.delete(oldest.value);
    this.#infos.set(base.digest, infos);
    return infos;
  }

  /** All of it, kept until another base is asked for. @throws ConsiliumError as `infos` */
  async file(base: ObjectRef): Promise<VerifiedObject> {
    if (this.#file?.digest === base.digest) return this.#file.object;
    await this.#file?.object.close();
    this.#file = undefined;
    this.#files += 1;
    const path = join(this.#tempDir, `base-${this.#files}.npz`);
    const object = await notTheUpdate(base, () =>
      fetchVerified(this.#store, { ref: base, path, label: 'base model' }),
    );
    this.#file = { digest: base.digest, object };
    return object;
  }
}

/** A base model that cannot be read is nothing a client could be refused for. */
async function notTheUpdate<T>(base: ObjectRef, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const known = asConsiliumError(cause);
    if (known.code === 'STORE_UNAVAILABLE') throw known;
    const detail = `The base model cannot be read: ${known.message}`;
    throw new ConsiliumError('INTERNAL', detail, { where: `${base.bucket}/${base.key}`, cause });
  }
}
