import { Digester, type ObjectStore } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import type { ByteSource } from '@consilium/tensor';

/** Read access to a trail, wherever it lies: a store, or signed URLs that a reducer hands out. */
export interface TrailSource {
  list(bucket: string, prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }>;
  /** @throws STORE_NOT_FOUND */
  stream(bucket: string, key: string): Promise<AsyncIterable<Uint8Array>>;
  /** Range reads of one object. @throws STORE_NOT_FOUND */
  ranges(bucket: string, key: string): Promise<ByteSource>;
}

/** A manifest of 10,000 sites stays below this; anything larger is not one of ours. */
const maxDocumentBytes = 64 * 1024 * 1024;

/** The trail as it lies in an object store. */
export function storeTrail(store: ObjectStore): TrailSource {
  return {
    list: (bucket, prefix) => store.list(bucket, prefix),
    stream: async (bucket, key) => (await store.get(bucket, key)).body,
    ranges: async (bucket, key) => {
      const { size } = await store.head(bucket, key);
      return {
        size,
        read: async (offset, length) => {
          if (length === 0) return new Uint8Array();
          const { body } = await store.get(bucket, key, { offset, length });
          return collect(body, length, `${bucket}/${key}`);
        },
      };
    },
  };
}

/** A small document, whole. @throws STORE_NOT_FOUND, TRAIL_BAD_MANIFEST when it is absurdly large */
export async function readDocument(trail: TrailSource, bucket: string, key: string): Promise<Uint8Array> {
  return collect(await trail.stream(bucket, key), maxDocumentBytes, `${bucket}/${key}`);
}

/** sha256 and size of an object, read once. @throws STORE_NOT_FOUND */
export async function digestOfObject(
  trail: TrailSource,
  bucket: string,
  key: string,
): Promise<{ digest: string; size: number }> {
  const digester = new Digester();
  for await (const chunk of await trail.stream(bucket, key)) digester.update(chunk);
  return { size: digester.size, digest: digester.digest() };
}

async function collect(body: AsyncIterable<Uint8Array>, limit: number, where: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) {
      throw new ConsiliumError('TRAIL_BAD_MANIFEST', `It is larger than ${limit} bytes.`, { where });
    }
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}
