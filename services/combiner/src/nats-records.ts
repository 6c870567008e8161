import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, type KvBucket, type Logger, openRecords as open } from '@consilium/platform';
import {
  asConsiliumError,
  type ClientRecord,
  type CombinerRecord,
  ConsiliumError,
  clientRecordSchema,
  combinerRecordSchema,
  kvBuckets,
  type Order,
  orderKey,
  orderSchema,
  type Presence,
  presenceSchema,
  type Report,
  reportSchema,
  type TaskRecord,
  taskRecordSchema,
} from '@consilium/protocol';
import { phaseOf } from './phase.js';
import type { Records, Stored } from './records.js';

interface Buckets {
  readonly orders: KvBucket<unknown>;
  readonly reports: KvBucket<Report>;
  readonly tasks: KvBucket<TaskRecord>;
  readonly clients: KvBucket<ClientRecord>;
  readonly presence: KvBucket<Presence>;
  readonly combiners: KvBucket<CombinerRecord>;
}

/** Opens the buckets, making those that are missing. @throws ConsiliumError BUS_ */
export async function openRecords(bus: Bus, combiner: string, log: Logger): Promise<Records> {
  const [orders, reports, tasks, clients, presence, combiners] = await Promise.all([
    // Not checked here: one order that is not valid must not end the watch over all others.
    open<unknown>(bus, kvBuckets.orders),
    open(bus, kvBuckets.reports, reportSchema),
    open(bus, kvBuckets.tasks, taskRecordSchema),
    open(bus, kvBuckets.clients, clientRecordSchema),
    open(bus, kvBuckets.presence, presenceSchema),
    open(bus, kvBuckets.combiners, combinerRecordSchema),
  ]);
  return new NatsRecords({ orders, reports, tasks, clients, presence, combiners }, combiner, log);
}

class NatsRecords implements Records {
  readonly #buckets: Buckets;
  readonly #combiner: string;
  readonly #log: Logger;

  constructor(buckets: Buckets, combiner: string, log: Logger) {
    this.#buckets = buckets;
    this.#combiner = combiner;
    this.#log = log;
  }

  orderKeys(): Promise<string[]> {
    return this.#buckets.orders.keys(`${this.#combiner}.>`);
  }

  watchOrders(changed: (key: string) => void): { stop(): Promise<void> } {
    const control = new AbortController();
    const { signal } = control;
    const run = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const changes = this.#buckets.orders.watch({ filter: `${this.#combiner}.>`, signal });
          for await (const change of changes) {
            if (change.type !== 'current') changed(change.key);
          }
        } catch (error) {
          if (!signal.aborted)
            this.#log.warn({ err: error }, 'the watch over orders ended, starting it again');
        }
        await sleep(1000, undefined, { signal }).catch(() => undefined);
      }
    };
    const running = run();
    return {
      stop: async () => {
        control.abort();
        await running;
      },
    };
  }

  async order(key: string): Promise<Stored<Order> | undefined> {
    const entry = await this.#buckets.orders.get(key);
    if (entry === undefined) return undefined;
    return { value: readOrder(entry.value, key), revision: entry.revision };
  }

  report(key: string): Promise<Stored<Report> | undefined> {
    return this.#buckets.reports.get(key);
  }

  writeReport(key: string, report: Report, known: Stored<Report> | undefined): Promise<number> {
    const { reports } = this.#buckets;
    return known === undefined ? reports.create(key, report) : reports.update(key, report, known.revision);
  }

  async task(id: string): Promise<TaskRecord | undefined> {
    return (await this.#buckets.tasks.get(id))?.value;
  }

  async createTask(record: TaskRecord): Promise<{ record: TaskRecord; created: boolean }> {
    try {
      await this.#buckets.tasks.create(record.task, record);
      return { record, created: true };
    } catch (error) {
      const standing =
        asConsiliumError(error).code === 'BUS_CONFLICT' ? await this.task(record.task) : undefined;
      if (standing === undefined) throw error;
      return { record: standing, created: false };
    }
  }

  async client(name: string): Promise<ClientRecord | undefined> {
    return (await this.#buckets.clients.get(name))?.value;
  }

  async writePresence(presence: Presence): Promise<void> {
    await this.#buckets.presence.put(presence.client, presence);
  }

  async writeHeartbeat(record: CombinerRecord): Promise<void> {
    await this.#buckets.combiners.put(record.combiner, record);
  }
}

/** @throws ConsiliumError BUS_BAD_MESSAGE when it is no order, or one for another key. */
function readOrder(value: unknown, key: string): Order {
  const parsed = orderSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const detail = `${issue?.path.map(String).join('.')}: ${issue?.message}.`;
    throw new ConsiliumError('BUS_BAD_MESSAGE', detail, { where: `order ${key}` });
  }
  const order = parsed.data;
  const own = orderKey(order.combiner, phaseOf(order));
  if (own !== key) {
    throw new ConsiliumError('BUS_BAD_MESSAGE', `It is an order for ${own}.`, { where: `order ${key}` });
  }
  if (order.template.inputs.weights === undefined) {
    throw new ConsiliumError('BUS_BAD_MESSAGE', 'It has no inputs.weights.', { where: `order ${key}` });
  }
  return { ...order, clients: [...new Set(order.clients)] };
}
