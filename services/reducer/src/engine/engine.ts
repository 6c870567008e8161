import { acquireLease, type Lease, type Logger } from '@consilium/platform';
import {
  ConsiliumError,
  endedStates,
  kvBuckets,
  type Order,
  type Report,
  type SessionEvent,
  type SessionRecord,
} from '@consilium/protocol';
import type { Mirror } from '../mirror.js';
import type { ReducerState } from '../state.js';
import { type CleaningDeps, cleanOrders, cleanRound, cleanState } from './cleaning.js';
import { type TrailWriter, writeHeads } from './commit.js';
import type { Fleet } from './fleet.js';
import type { Observation } from './machine.js';
import { isOfPhase, orderChanges, sessionOfKey } from './orders.js';
import { Reductions } from './reduce.js';
import type { ReduceJob } from './reduce-worker.js';
import { type StepDeps, step } from './step.js';

export interface EngineDeps {
  readonly id: string;
  readonly state: ReducerState;
  readonly writer: TrailWriter;
  readonly fleet: Fleet;
  readonly sessions: Mirror<SessionRecord>;
  readonly orders: Mirror<Order>;
  readonly reports: Mirror<Report>;
  readonly reduction: Pick<ReduceJob, 'store' | 'tmpDir' | 'memoryBytes'>;
  readonly publish: (event: SessionEvent) => void;
  readonly log: Logger;
  readonly now: () => number;
}

/** Milliseconds between looks when nothing seems to have changed. */
const idleTick = 1000;

/**
 * Moves sessions while this reducer holds the lease. Everything it does is repeatable: it reads the stored
 * record, makes one step, stores it by compare-and-set, and brings orders and heads up to the record.
 */
export class SessionEngine {
  readonly #deps: EngineDeps;
  readonly #stop = new AbortController();
  readonly #busy = new Set<string>();
  readonly #headsDone = new Map<string, string>();
  /** Whether what a dead leader left in KV was looked for. */
  #stateClean = false;
  #wake: () => void = () => undefined;
  #woken = false;
  #lease: Lease | undefined;
  /** When the lease was last asked for or renewed. */
  #renewed = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  readonly #steps = new Set<Promise<void>>();
  readonly #reductions = new Reductions();

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  get isLeader(): boolean {
    return this.#lease?.held === true;
  }

  start(): void {
    this.#running = this.#loop();
  }

  /** Something changed: look now. */
  poke(): void {
    this.#woken = true;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
    await Promise.allSettled(this.#steps);
    await this.#reductions.close();
    await this.#lease?.release();
  }

  async #loop(): Promise<void> {
    const { log } = this.#deps;
    while (!this.#stop.signal.aborted) {
      try {
        if (await this.#holdLease()) await this.#tick();
      } catch (error) {
        log.warn({ err: error }, 'cannot look after the sessions now, trying again');
      }
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    if (!this.#woken && !this.#stop.signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, idleTick);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#woken = false;
  }

  async #holdLease(): Promise<boolean> {
    const { state, id, now, log } = this.#deps;
    const ttl = kvBuckets.leases.ttl * 1000;
    if (this.#lease?.held === true) {
      // Every change wakes the engine; the lease needs far fewer renewals than that.
      if (now() - this.#renewed >= ttl / 6) {
        const asked = now();
        await this.#lease.renew();
        this.#renewed = asked;
      }
      return true;
    }
    if (now() - this.#renewed < idleTick / 2) return false;
    this.#renewed = now();
    this.#lease = await acquireLease({ bucket: state.leases, key: 'reducer', holder: id, ttl, now });
    if (this.#lease !== undefined) {
      this.#headsDone.clear();
      this.#stateClean = false;
      log.info({ token: this.#lease.token }, 'this reducer moves the sessions');
    }
    return this.#lease !== undefined;
  }

  async #tick(): Promise<void> {
    // The mirror may lag; a step reads its record anew and stores by compare-and-set.
    const entries = this.#deps.sessions.entries();
    const { state, orders } = this.#deps;
    const known = new Set(entries.map(([key]) => key));
    await cleanOrders(state.orders, orders.keys(), known, (id) => this.#find(id));
    if (!this.#stateClean) {
      this.#stateClean = true;
      this.#track(this.#cleanState());
    }
    for (const [key, value] of entries) {
      if (this.#busy.has(key)) continue;
      if (
        endedStates.includes(value.state) &&
        this.#headsDone.get(key) === value.head.id &&
        !this.#hasLeftovers(key)
      ) {
        continue;
      }
      this.#busy.add(key);
      this.#track(this.#drive(key).finally(() => this.#busy.delete(key)));
    }
  }

  /** Something that goes on beside the loop and that `stop` waits for. It must not fail. */
  #track(work: Promise<void>): void {
    const running = work.finally(() => this.#steps.delete(running));
    this.#steps.add(running);
  }

  async #cleanState(): Promise<void> {
    try {
      await cleanState(this.#cleaning(), (id) => this.#find(id));
    } catch (error) {
      this.#stateClean = false;
      this.#deps.log.warn({ err: error }, 'could not remove what an earlier leader left, trying again');
    }
  }

  /** Steps of one session until it has to wait. */
  async #drive(id: string): Promise<void> {
    const { state, log } = this.#deps;
    try {
      while (this.isLeader && !this.#stop.signal.aborted) {
        const current = await state.sessions.get(id);
        if (current === undefined) return;
        await this.#settle(current.value);
        const next = await step(this.#stepDeps(), current);
        if (next === undefined) return;
        log.info(
          { session: id, state: next.state, round: next.round, attempt: next.attempt },
          next.reason ?? 'step',
        );
        await this.#settle(next);
        const isOver = next.round !== current.value.round || endedStates.includes(next.state);
        if (isOver) await cleanRound(this.#cleaning(), current.value, this.#deps.reports.keys());
      }
    } catch (error) {
      // A conflict means that the record moved (a stop, another leader): the next look sees it.
      const isConflict = error instanceof ConsiliumError && error.code === 'BUS_CONFLICT';
      if (!isConflict && !this.#stop.signal.aborted) {
        log.warn({ session: id, err: error }, 'a step did not succeed, trying again');
      }
    }
  }

  #stepDeps(): StepDeps {
    const { state, writer, reduction, publish, log } = this.#deps;
    return {
      sessions: state.sessions,
      writer,
      observe: (record) => this.#observe(record),
      reduce: (job) => {
        // Made here, not for every step: each composite signal stays with its sources as long as they live.
        const held = this.#lease === undefined ? [] : [this.#lease.signal];
        return this.#reductions.run({ ...job, ...reduction }, AbortSignal.any([this.#stop.signal, ...held]));
      },
      publish,
      log,
    };
  }

  #observe(record: SessionRecord): Observation {
    const { fleet, reports, now } = this.#deps;
    const ofPhase = new Map<string, Report>();
    for (const [key, report] of reports.entries()) {
      if (isOfPhase(key, record)) ofPhase.set(report.combiner, report);
    }
    return { now: now(), clients: fleet.available(), combiners: fleet.livingCombiners(), reports: ofPhase };
  }

  /** Brings what follows from the record up to it: the orders of its phase, and heads. */
  async #settle(record: SessionRecord): Promise<void> {
    const { state, orders, writer, now } = this.#deps;
    const standing = new Map(orders.entries().filter(([key]) => sessionOfKey(key) === record.id));
    const { put, remove } = orderChanges(record, standing);
    // A reducer that slept through the loss of its lease must not bring back the orders of an old record.
    const mayWrite = () => this.isLeader && !this.#stop.signal.aborted;
    for (const [key, order] of put) {
      if (!mayWrite()) return;
      orders.set(key, order, await state.orders.put(key, order));
    }
    for (const key of remove) {
      if (!mayWrite()) return;
      await state.orders.delete(key);
    }
    if (this.#headsDone.get(record.id) !== record.head.id) {
      await writeHeads(writer, record, new Date(now()).toISOString());
      this.#headsDone.set(record.id, record.head.id);
    }
  }

  async #find(id: string): Promise<SessionRecord | undefined> {
    return (await this.#deps.state.sessions.get(id))?.value;
  }

  #cleaning(): CleaningDeps {
    const { state, writer, log } = this.#deps;
    return { store: writer.store, reports: state.reports, tasks: state.tasks, log };
  }

  #hasLeftovers(session: string): boolean {
    const { orders } = this.#deps;
    return [...orders.keys()].some((key) => sessionOfKey(key) === session);
  }
}
