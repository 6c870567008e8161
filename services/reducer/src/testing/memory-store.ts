import type {
  ObjectEntry,
  ObjectInfo,
  ObjectRead,
  ObjectStore,
  PutOptions,
  PutResult,
} from '@consilium/platform';
import { digestOf } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';

interface Stored {
  readonly bytes: Buffer;
  readonly etag: string;
  modified: number;
}

/** An object store in memory: write-once, compare-and-replace, digests. `fault` runs before and after a write. */
export class MemoryStore implements Pick<ObjectStore, 'get' | 'put' | 'head' | 'list' | 'delete'> {
  readonly objects = new Map<string, Stored>();
  fault: (when: 'before' | 'after', what: string) => void = () => undefined;
  now = 0;
  #writes = 0;

  /** As the parameter of code that wants the whole interface. */
  get asStore(): ObjectStore {
    return this as unknown as ObjectStore;
  }

  async put(
    bucket: string,
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    const path = `${bucket}/${key}`;
    const there = this.objects.get(path);
    if (options.writeOnce === true && there !== undefined) throw new ConsiliumError('STORE_EXISTS', path);
    if (options.ifMatch !== undefined && there?.etag !== options.ifMatch) {
      throw new ConsiliumError('STORE_PRECONDITION', path);
    }
    const bytes = await bytesOf(body);
    const digest = digestOf(bytes);
    if (options.digest !== undefined && options.digest !== digest) {
      throw new ConsiliumError('STORE_DIGEST_MISMATCH', path);
    }
    this.fault('before', `put ${path}`);
    this.#writes += 1;
    this.objects.set(path, { bytes, etag: `${this.#writes}`, modified: this.now });
    this.fault('after', `put ${path}`);
    return { digest, size: bytes.length, etag: `${this.#writes}` };
  }

  async head(bucket: string, key: string): Promise<ObjectInfo> {
    const { bytes, etag, modified } = this.#find(bucket, key);
    return { bucket, key, size: bytes.length, etag, modified };
  }

  async get(
    bucket: string,
    key: string,
    { offset = 0, length }: { offset?: number; length?: number } = {},
  ): Promise<ObjectRead> {
    const { bytes } = this.#find(bucket, key);
    const part = bytes.subarray(offset, length === undefined ? undefined : offset + length);
    return {
      info: await this.head(bucket, key),
      body: (async function* () {
        yield part;
      })(),
      cancel: () => undefined,
    };
  }

  async *list(bucket: string, prefix = ''): AsyncGenerator<ObjectEntry> {
    for (const path of [...this.objects.keys()].sort()) {
      if (!path.startsWith(`${bucket}/${prefix}`)) continue;
      const { bytes, modified } = this.objects.get(path)!;
      yield { key: path.slice(bucket.length + 1), size: bytes.length, modified };
    }
  }

  async delete(bucket: string, key: string): Promise<void> {
    this.objects.delete(`${bucket}/${key}`);
  }

  #find(bucket: string, key: string): Stored {
    const found = this.objects.get(`${bucket}/${key}`);
    if (found === undefined) throw new ConsiliumError('STORE_NOT_FOUND', key, { where: `${bucket}/${key}` });
    return found;
  }
}

async function bytesOf(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
