import { randomUUID } from 'node:crypto';
import { ConsiliumError } from '@consilium/protocol';
import type { ObjectStore } from './types.js';

/**
 * Writes a throw-away object twice, write-once both times.
 * @throws STORE_NO_CONDITIONAL_WRITES if the second write goes through
 */
export async function proveWriteOnce(
  store: Pick<ObjectStore, 'put' | 'delete'>,
  bucket: string,
): Promise<void> {
  const key = `.probe/${randomUUID()}`;
  await store.put(bucket, key, Buffer.from('first'), { writeOnce: true });
  try {
    await store.put(bucket, key, Buffer.from('second'), { writeOnce: true });
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === 'STORE_EXISTS') return;
    throw error;
  } finally {
    await store.delete(bucket, key);
  }
  throw new ConsiliumError(
    'STORE_NO_CONDITIONAL_WRITES',
    'A second PUT with If-None-Match: * replaced the object instead of answering 412.',
    { where: bucket },
  );
}
