import { asConsiliumError, type ObjectRef, type Report } from '@consilium/protocol';
import { type Context, isoTime } from './context.js';
import { countsOf, type Phase } from './phase.js';
import type { PhaseState } from './phase-state.js';

/** Milliseconds between two writes of an open report. */
const OPEN_INTERVAL = 1000;

/** Keeps the report of a phase in the durable state, by compare-and-set. */
export class PhaseReporter {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Brings an open report up to date: at most once a second, and only when a count has changed.
   * @returns milliseconds until it may be written, 0 when it says what holds.
   */
  async open(phase: PhaseState): Promise<number> {
    const counts = countsOf(phase);
    const old = phase.report?.value;
    const same =
      old?.epoch === phase.order.epoch &&
      old.asked === counts.asked &&
      old.done === counts.done &&
      old.failed === counts.failed;
    if (same || phase.closed) return 0;
    const wait = phase.reportedAt + OPEN_INTERVAL - this.#context.now();
    if (wait > 0) return wait;
    await this.#write(phase, phase, 'open', null, null);
    return 0;
  }

  /** The phase is done as `view` saw it; `result` has everything in it. */
  async close(phase: PhaseState, view: Phase, result: ObjectRef): Promise<void> {
    await this.#write(phase, view, 'closed', result, null);
  }

  /** The phase cannot be done here, whatever is tried. */
  async fail(phase: PhaseState, view: Phase, error: string): Promise<void> {
    await this.#write(phase, view, 'error', null, error);
  }

  async #write(
    phase: PhaseState,
    view: Phase,
    state: Report['state'],
    result: ObjectRef | null,
    error: string | null,
  ): Promise<void> {
    const { records, now, combiner } = this.#context;
    const { epoch } = view.order;
    const at = isoTime(now());
    const report: Report = { schema: 1, combiner, epoch, state, ...countsOf(view), result, error, at };
    try {
      const revision = await records.writeReport(phase.key, report, phase.report);
      phase.report = { value: report, revision };
      phase.reportedAt = now();
    } catch (cause) {
      // Somebody else wrote, or our own write was not confirmed: the next step goes on from what stands.
      if (asConsiliumError(cause).code === 'BUS_CONFLICT') phase.report = await records.report(phase.key);
      throw cause;
    }
  }
}
