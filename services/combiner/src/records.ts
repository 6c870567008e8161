import type { ClientRecord, CombinerRecord, Order, Presence, Report, TaskRecord } from '@consilium/protocol';

/** A value of the durable state and the revision to compare with when it is replaced. */
export interface Stored<T> {
  readonly value: T;
  readonly revision: number;
}

/**
 * The durable state as a combiner uses it; everything it knows after a restart comes from here.
 * All calls may throw a ConsiliumError with a BUS_ code.
 */
export interface Records {
  /** Keys of this combiner's orders, as they are now. */
  orderKeys(): Promise<string[]>;
  /** Tells the key of every order that appears, changes or goes, those present at first included. */
  watchOrders(changed: (key: string) => void): { stop(): Promise<void> };
  /** undefined: there is no such order. An order that is not valid throws BUS_BAD_MESSAGE. */
  order(key: string): Promise<Stored<Order> | undefined>;
  report(key: string): Promise<Stored<Report> | undefined>;
  /**
   * Replaces the report read as `known`, or creates the first one.
   * @returns the new revision. @throws BUS_CONFLICT when somebody else wrote in between
   */
  writeReport(key: string, report: Report, known: Stored<Report> | undefined): Promise<number>;
  task(id: string): Promise<TaskRecord | undefined>;
  /** @returns the record that stands: the given one, or what somebody had written before. */
  createTask(record: TaskRecord): Promise<{ record: TaskRecord; created: boolean }>;
  client(name: string): Promise<ClientRecord | undefined>;
  writePresence(presence: Presence): Promise<void>;
  writeHeartbeat(record: CombinerRecord): Promise<void>;
}
