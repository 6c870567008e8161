import { digestOf, readBytes } from '@consilium/platform';
import { buckets, ConsiliumError, objectKeys, type SessionRecord } from '@consilium/protocol';
import { readManifest } from '@consilium/trail';
import type { TrailWriter } from './commit.js';

/** A manifest of 10,000 sites stays below this. */
const largestManifest = 64 * 2 ** 20;

/**
 * Makes sure that this reducer signs with the key of the trail that it goes on with. A key file that was lost is
 * made anew without a word, and a trail that two keys have signed cannot be verified with either.
 *
 * @throws ConsiliumError TRUST_OTHER_REDUCER_KEY
 */
export async function requireSameKey(
  { store, identity }: TrailWriter,
  sessions: readonly SessionRecord[],
): Promise<void> {
  const newestFirst = [...sessions].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  for (const { id, head } of newestFirst) {
    const key = objectKeys.manifest(id, head.number, head.id);
    const bytes = await read(store, key);
    // Only a manifest that the record vouches for says anything; damage is for `trail verify` to tell.
    if (bytes === undefined || digestOf(bytes) !== head.manifest_digest) continue;
    try {
      readManifest(bytes, identity.publicKey, key);
    } catch (cause) {
      const detail = `${id} goes by another key than ${identity.publicKey}, which key_file holds.`;
      throw new ConsiliumError('TRUST_OTHER_REDUCER_KEY', detail, {
        where: `${buckets.models}/${key}`,
        cause,
      });
    }
    return;
  }
}

async function read(store: TrailWriter['store'], key: string): Promise<Uint8Array | undefined> {
  try {
    return (await readBytes(store, buckets.models, key, { limit: largestManifest })).bytes;
  } catch (error) {
    if (error instanceof ConsiliumError && /^STORE_(NOT_FOUND|TOO_LARGE)$/.test(error.code)) return undefined;
    throw error;
  }
}
