import { canonicalJson, digestOf } from '@consilium/platform';
import { asConsiliumError, buckets, type ObjectRef, objectKeys, type TaskRecord } from '@consilium/protocol';
import { eachLimited } from './concurrent.js';
import { type Context, isoTime } from './context.js';
import { absentees, type Phase, phaseOf } from './phase.js';
import type { PhaseReporter } from './phase-reporter.js';
import type { PhaseState } from './phase-state.js';
import { makeReportObject, weightedUpdates } from './report-object.js';
import { lateRecord } from './task-outcome.js';
import { isTransient } from './transient.js';
import { baseOf } from './update-limits.js';

/** Unexpected failures in a row after which a phase is given up instead of tried again. */
const GIVE_UP = 8;

/**
 * Closes phases. First every client that is missing gets its outcome (late), so that from then on order and
 * records alone say what the phase amounts to; partial and report are functions of those. Killed anywhere in
 * between, a new start does the rest and makes the same bytes.
 */
export class PhaseCloser {
  readonly #context: Context;
  readonly #reporter: PhaseReporter;

  constructor(context: Context, reporter: PhaseReporter) {
    this.#context = context;
    this.#reporter = reporter;
  }

  /** @throws ConsiliumError when it has to be tried again. */
  async close(phase: PhaseState, reason: string): Promise<void> {
    const { records, log } = this.#context;
    // The order as it is now: one that replaces it meanwhile is the business of the next step.
    const view: Phase = { order: phase.order, records: phase.records };
    // A combiner that slept may act on an order that was taken from it: look before anything is written.
    const standing = await records.order(phase.key);
    if (standing?.value.epoch !== view.order.epoch) {
      log.info({ phase: phase.key }, 'the order has changed while its phase was about to close');
      return;
    }
    await this.#settleAbsentees(view, phase.records);
    try {
      const partial = await this.#partial(view);
      const result = await this.#storeReport(view, partial);
      await this.#reporter.close(phase, view, result);
      const { asked, done, failed } = phase.report?.value ?? {};
      log.info({ phase: phase.key, reason, asked, done, failed }, 'phase closed');
    } catch (error) {
      const known = asConsiliumError(error);
      const hopeless = !isTransient(known) || (known.code === 'INTERNAL' && phase.failures + 1 >= GIVE_UP);
      if (!hopeless) throw known;
      log.error({ phase: phase.key, err: known }, 'the phase cannot be closed');
      await this.#reporter.fail(phase, view, `${known.code}: ${known.message}`);
    }
  }

  async #settleAbsentees(view: Phase, known: Map<string, TaskRecord>): Promise<void> {
    const { records, now } = this.#context;
    const at = isoTime(now());
    await eachLimited(absentees(view), 16, async (client) => {
      const { record } = await records.createTask(lateRecord(view.order, client, at));
      known.set(client, record);
    });
  }

  async #partial(view: Phase): Promise<ObjectRef | null> {
    const { order } = view;
    if (order.template.kind !== 'train') return null;
    const updates = weightedUpdates(view);
    if (updates.length === 0) return null;
    const { combiner, epoch } = order;
    return await this.#context.heavy.partial({
      phase: phaseOf(order),
      combiner,
      epoch,
      base: baseOf(order),
      updates,
    });
  }

  async #storeReport(view: Phase, partial: ObjectRef | null): Promise<ObjectRef> {
    const { combiner, epoch } = view.order;
    const bytes = Buffer.from(canonicalJson(makeReportObject(view, partial)));
    const digest = digestOf(bytes);
    const key = objectKeys.report(phaseOf(view.order), combiner, epoch, digest);
    try {
      const options = { digest, size: bytes.length, writeOnce: true, contentType: 'application/json' };
      await this.#context.store.put(buckets.work, key, bytes, options);
    } catch (error) {
      // The digest is in the name: what is there was written by an earlier try.
      if (asConsiliumError(error).code !== 'STORE_EXISTS') throw error;
    }
    return { bucket: buckets.work, key, digest, size: bytes.length };
  }
}
