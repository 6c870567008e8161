import { ConsiliumError } from '@consilium/protocol';
import type { ObjectInfo, ObjectStore } from './types.js';

/**
 * A small object as a whole, with what the store knows of that same version.
 * @throws STORE_NOT_FOUND; STORE_TOO_LARGE above `limit` bytes (default 16 MiB)
 */
export async function readBytes(
  store: Pick<ObjectStore, 'get'>,
  bucket: string,
  key: string,
  options: { readonly limit?: number; readonly signal?: AbortSignal } = {},
): Promise<{ bytes: Uint8Array; info: ObjectInfo }> {
  const limit = options.limit ?? 16 * 1024 * 1024;
  const { info, body, cancel } = await store.get(
    bucket,
    key,
    options.signal === undefined ? {} : { signal: options.signal },
  );
  if (info.size > limit) {
    cancel();
    throw new ConsiliumError(
      'STORE_TOO_LARGE',
      `It has ${info.size} bytes; at most ${limit} are read at once.`,
      {
        where: `${bucket}/${key}`,
      },
    );
  }
  const bytes = new Uint8Array(info.size);
  let at = 0;
  for await (const chunk of body) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return { bytes, info };
}
