import { type KvBucket, openKv } from './kv.js';
import type { Bus } from './types.js';

/** A bucket as `kvBuckets` of the protocol lists it; `ttl` in seconds. */
export interface RecordBucket {
  readonly name: string;
  readonly ttl: number;
}

/**
 * Opens a bucket of records, making it when it is missing. With a schema, what is read is checked by it;
 * without one, checking is the reader's.
 * @throws ConsiliumError BUS_UNAVAILABLE, BUS_DENIED
 */
export function openRecords<T>(
  bus: Bus,
  { name, ttl }: RecordBucket,
  schema?: { parse(value: unknown): T },
): Promise<KvBucket<T>> {
  const check = schema === undefined ? {} : { validate: (value: unknown) => schema.parse(value) };
  return openKv<T>(bus, { name, ttl: ttl * 1000, ...check });
}
