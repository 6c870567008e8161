import { asConsiliumError, subjects, taskId } from '@consilium/protocol';
import { eachLimited } from './concurrent.js';
import type { Context } from './context.js';
import { closeReason, deadlineOf, phaseOf } from './phase.js';
import type { PhaseCloser } from './phase-closer.js';
import type { PhaseReporter } from './phase-reporter.js';
import { PhaseState } from './phase-state.js';
import type { Phases } from './phases.js';
import { retryDelay } from './transient.js';

/** Longest pause between two looks at all phases, milliseconds. */
const TICK = 1000;
/** How often the list of orders is read in full, in case a change was never announced. */
const RESYNC = 30_000;

/**
 * Makes what is the case into what the orders say. Level-triggered: a notice only says "look again", the
 * durable state decides, and a look at all of it every half minute makes up for notices that were lost.
 */
export class Reconciler {
  readonly #context: Context;
  readonly #phases: Phases;
  readonly #reporter: PhaseReporter;
  readonly #closer: PhaseCloser;
  readonly #dirty = new Set<string>();
  #resyncAt = 0;
  #wake: (() => void) | undefined;
  #woken = false;
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(context: Context, phases: Phases, reporter: PhaseReporter, closer: PhaseCloser) {
    this.#context = context;
    this.#phases = phases;
    this.#reporter = reporter;
    this.#closer = closer;
  }

  /** Reads all orders once; afterwards clients may be answered. @throws ConsiliumError */
  async load(): Promise<void> {
    for (const key of await this.#context.records.orderKeys()) this.#dirty.add(key);
    this.#resyncAt = this.#context.now() + RESYNC;
    await this.#refreshDirty();
    const load = async (phase: PhaseState): Promise<void> => {
      try {
        await this.#load(phase);
      } catch (error) {
        // One record that cannot be read must not keep the other sessions waiting; the loop tries again.
        this.#context.log.error({ phase: phase.key, err: error }, 'the records of a phase cannot be read');
      }
    };
    await Promise.all(this.#phases.all().map(load));
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Steps in progress end; nothing new is begun. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.trigger();
    await this.#running;
    await Promise.all(this.#phases.all().map((phase) => phase.step));
  }

  /** Look again, soon. */
  readonly trigger = (): void => {
    this.#woken = true;
    this.#wake?.();
  };

  /** This order may have changed. */
  readonly changed = (key: string): void => {
    this.#dirty.add(key);
    this.trigger();
  };

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#pass();
      } catch (error) {
        this.#context.log.warn({ err: error }, 'orders could not be read, trying again');
      }
      if (!this.#stopped) await this.#pause(this.#nextLook());
    }
  }

  async #pause(ms: number): Promise<void> {
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#woken = false;
  }

  #nextLook(): number {
    const now = this.#context.now();
    const open = this.#phases.all().filter((phase) => !phase.closed);
    const due = open.flatMap((phase) => [deadlineOf(phase.order), phase.reportDue ?? 0]);
    return Math.max(5, Math.min(TICK, ...due.filter((at) => at > now).map((at) => at - now)));
  }

  async #pass(): Promise<void> {
    const now = this.#context.now();
    if (now >= this.#resyncAt) {
      const keys = await this.#context.records.orderKeys();
      for (const key of [...keys, ...this.#phases.all().map((phase) => phase.key)]) this.#dirty.add(key);
      this.#resyncAt = now + RESYNC;
    }
    await this.#refreshDirty();
    for (const phase of this.#phases.all()) this.#begin(phase);
  }

  async #refreshDirty(): Promise<void> {
    const keys = [...this.#dirty];
    await eachLimited(keys, 16, async (key) => {
      // Taken out before it is read: a change that comes while reading puts it in again.
      this.#dirty.delete(key);
      try {
        await this.#refresh(key);
      } catch (error) {
        const known = asConsiliumError(error);
        if (known.code === 'BUS_BAD_MESSAGE') {
          this.#context.log.error({ order: key, err: known }, 'an order is not valid and is left alone');
          return;
        }
        this.#dirty.add(key);
        throw known;
      }
    });
  }

  /** Reads one order and takes over what has changed. */
  async #refresh(key: string): Promise<void> {
    const stored = await this.#context.records.order(key);
    const phase = this.#phases.get(key);
    if (stored === undefined) {
      if (phase === undefined) return;
      this.#phases.delete(key);
      this.#context.log.info({ phase: key }, 'order withdrawn');
      this.#tell(phase.order.clients);
      return;
    }
    if (phase === undefined) {
      this.#phases.set(new PhaseState(key, stored));
      this.#context.log.info({ phase: key, clients: stored.value.clients.length }, 'order taken');
    } else if (stored.revision > phase.revision) {
      const left = phase.order.clients.filter((client) => !stored.value.clients.includes(client));
      phase.replace(stored);
      this.#tell(left);
    }
  }

  #begin(phase: PhaseState): void {
    if (phase.step !== undefined || this.#stopped || this.#context.now() < phase.retryAt) return;
    if (phase.closed && phase.loaded) return;
    phase.step = this.#step(phase)
      .then(() => {
        phase.failures = 0;
      })
      .catch((error: unknown) => {
        phase.failures += 1;
        const delay = retryDelay(phase.failures, this.#context.random);
        phase.retryAt = this.#context.now() + delay;
        this.#context.log.warn(
          { phase: phase.key, err: error, retryInMs: Math.round(delay) },
          'trying again',
        );
      })
      .finally(() => {
        phase.step = undefined;
      });
  }

  /** One step: load, or report, or close. Idempotent; the next pass does what is left. */
  async #step(phase: PhaseState): Promise<void> {
    if (!phase.loaded) {
      await this.#load(phase);
      this.trigger();
      return;
    }
    const reason = closeReason(phase, this.#context.now());
    if (reason === undefined) {
      const wait = await this.#reporter.open(phase);
      phase.reportDue = wait > 0 ? this.#context.now() + wait : undefined;
      return;
    }
    // Results that arrived in time are looked at to the end; their ends trigger the next pass.
    if (phase.checks.size > 0) return;
    const waitedFor = phase.order.clients.filter((client) => !phase.records.has(client));
    await this.#closer.close(phase, reason);
    this.#tell(waitedFor);
  }

  /** Reads report and task records of an order; then tells its clients what holds. */
  async #load(phase: PhaseState): Promise<void> {
    const { records } = this.#context;
    const { revision, order } = phase;
    phase.report = await records.report(phase.key);
    const unknown = order.clients.filter((client) => !phase.records.has(client));
    await eachLimited(unknown, 32, async (client) => {
      const record = await records.task(taskId(phaseOf(order), client));
      if (record !== undefined) phase.records.set(client, record);
    });
    if (phase.revision !== revision) return; // replaced meanwhile: the next step loads again
    phase.markLoaded();
    this.#tell(order.clients);
  }

  /** Sends clients their lists at once; the next sync repeats them in any case. */
  #tell(clients: readonly string[]): void {
    for (const client of clients) {
      // A list with a hole would make the client drop work: wait until all its phases are known.
      const complete = this.#phases.all().every((p) => p.loaded || !p.order.clients.includes(client));
      if (complete) this.#send(client);
    }
  }

  #send(client: string): void {
    try {
      const tasks = this.#phases.tasksOf(client);
      this.#context.bus.publish(subjects.down(client, 'tasks'), { tasks });
    } catch (error) {
      // A list too long for one message, or a closing bus: nothing that a repetition of this step would mend.
      this.#context.log.warn({ client, err: error }, 'a list of tasks could not be sent');
    }
  }
}
