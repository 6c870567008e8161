import {
  type Bus,
  type KvBucket,
  type LeaseRecord,
  openRecords as open,
  type RecordBucket,
} from '@consilium/platform';
import {
  type ClientRecord,
  type CombinerRecord,
  clientRecordSchema,
  combinerRecordSchema,
  type JoinTokenRecord,
  joinTokenRecordSchema,
  kvBuckets,
  type Order,
  orderSchema,
  type Presence,
  presenceSchema,
  type Report,
  reportSchema,
  type SessionRecord,
  sessionRecordSchema,
  type TaskRecord,
  taskRecordSchema,
  type UserRecord,
  userRecordSchema,
} from '@consilium/protocol';
import type { z } from 'zod';

/** The durable state in JetStream that the reducer reads and writes. */
export interface ReducerState {
  readonly sessions: KvBucket<SessionRecord>;
  readonly orders: KvBucket<Order>;
  readonly reports: KvBucket<Report>;
  readonly tasks: KvBucket<TaskRecord>;
  readonly clients: KvBucket<ClientRecord>;
  readonly joinTokens: KvBucket<JoinTokenRecord>;
  readonly users: KvBucket<UserRecord>;
  readonly combiners: KvBucket<CombinerRecord>;
  readonly presence: KvBucket<Presence>;
  readonly leases: KvBucket<LeaseRecord>;
  /**
   * The same buckets for lists and watches, where an entry that does not fit its schema (of a newer release, or
   * damaged) is `undefined`: one bad entry must not hide the others. What is decided on is read by `get` above.
   */
  readonly listed: ListedState;
}

export interface ListedState {
  readonly sessions: KvBucket<SessionRecord | undefined>;
  readonly orders: KvBucket<Order | undefined>;
  readonly reports: KvBucket<Report | undefined>;
  readonly clients: KvBucket<ClientRecord | undefined>;
  readonly users: KvBucket<UserRecord | undefined>;
  readonly combiners: KvBucket<CombinerRecord | undefined>;
  readonly presence: KvBucket<Presence | undefined>;
}

/** The values of a listed bucket that can be read. @throws BUS_UNAVAILABLE */
export async function readable<T>(bucket: KvBucket<T | undefined>): Promise<T[]> {
  return (await bucket.entries()).flatMap(({ value }) => (value === undefined ? [] : [value]));
}

/** Opens all buckets, making those that are missing. @throws BUS_UNAVAILABLE, BUS_DENIED */
export async function openState(bus: Bus): Promise<ReducerState> {
  return {
    sessions: await open(bus, kvBuckets.sessions, sessionRecordSchema),
    orders: await open(bus, kvBuckets.orders, orderSchema),
    reports: await open(bus, kvBuckets.reports, reportSchema),
    tasks: await open(bus, kvBuckets.tasks, taskRecordSchema),
    clients: await open(bus, kvBuckets.clients, clientRecordSchema),
    joinTokens: await open(bus, kvBuckets.joinTokens, joinTokenRecordSchema),
    users: await open(bus, kvBuckets.users, userRecordSchema),
    combiners: await open(bus, kvBuckets.combiners, combinerRecordSchema),
    presence: await open(bus, kvBuckets.presence, presenceSchema),
    leases: await open<LeaseRecord>(bus, kvBuckets.leases),
    listed: {
      sessions: await openListed(bus, kvBuckets.sessions, sessionRecordSchema),
      orders: await openListed(bus, kvBuckets.orders, orderSchema),
      reports: await openListed(bus, kvBuckets.reports, reportSchema),
      clients: await openListed(bus, kvBuckets.clients, clientRecordSchema),
      users: await openListed(bus, kvBuckets.users, userRecordSchema),
      combiners: await openListed(bus, kvBuckets.combiners, combinerRecordSchema),
      presence: await openListed(bus, kvBuckets.presence, presenceSchema),
    },
  };
}

function openListed<T>(
  bus: Bus,
  bucket: RecordBucket,
  schema: z.ZodType<T>,
): Promise<KvBucket<T | undefined>> {
  return open(bus, bucket, { parse: (value) => schema.safeParse(value).data });
}
