import {
  asConsiliumError,
  ConsiliumError,
  isName,
  type ResultReply,
  type ResultRequest,
  type TaskRecord,
} from '@consilium/protocol';
import { checkClaim, type DoneRequest } from './claim-rules.js';
import { type Context, isoTime } from './context.js';
import { isOpen } from './phase.js';
import type { PhaseState } from './phase-state.js';
import { orderKeyOfTask, type Phases } from './phases.js';
import { type ReadResult, readResult } from './read-result.js';
import { answerEnded, doneRecord, failedRecord, lateRecord, refuse, refusedRecord } from './task-outcome.js';
import { forClient, isTransient } from './transient.js';
import { baseOf, updateRef } from './update-limits.js';

/**
 * Takes results, each exactly once: the record of a task is created before its client is answered, and the
 * first record stands whatever comes after it.
 */
export class ResultTaker {
  readonly #context: Context;
  readonly #phases: Phases;
  readonly #touched: (orderKey: string) => void;

  /** @param touched told of each order whose phase has to be looked at: a task ended, or it is not known yet. */
  constructor(context: Context, phases: Phases, touched: (orderKey: string) => void) {
    this.#context = context;
    this.#phases = phases;
    this.#touched = touched;
  }

  /**
   * @param client whose subject the message came in on
   * @param value the message, unchecked
   * @returns the final answer. @throws ConsiliumError when trying again may help, TASK_UNKNOWN included.
   */
  async take(client: string, value: unknown): Promise<ResultReply> {
    const read = readResult(value);
    const task = 'request' in read ? read.request.task : read.task;
    if (task === undefined || !isName(client)) {
      return refuse('refused' in read ? read.refused : new ConsiliumError('TASK_UNKNOWN', 'No client name.'));
    }
    try {
      const phase = await this.#phases.ofTask(task, client);
      if (phase === undefined) return await this.#withoutPhase(task, client, read);
      return await this.#decide(phase, client, read);
    } catch (error) {
      const known = asConsiliumError(error);
      if (known.code === 'TASK_UNKNOWN') throw known;
      if (isTransient(known)) {
        this.#context.log.warn(
          { client, task, err: known },
          'a result could not be looked at, it will come again',
        );
        throw forClient(known);
      }
      // Not this client's task, or none: nothing is recorded, it might be somebody else's.
      this.#context.log.warn({ client, task, code: known.code }, known.message);
      return refuse(known);
    }
  }

  /** No order here names this client: what ended before is answered, everything else has to wait. */
  async #withoutPhase(task: string, client: string, read: ReadResult): Promise<ResultReply> {
    const { records, combiner } = this.#context;
    const record = await records.task(task);
    if (record !== undefined && 'request' in read) return answerEnded(record, read.request);
    // An order handed over from another combiner may be younger than the client that brings its result.
    const key = orderKeyOfTask(combiner, task, client);
    const order = await records.order(key);
    if (order?.value.clients.includes(client)) {
      this.#touched(key);
      throw new ConsiliumError('BUS_UNAVAILABLE', 'The order has not been read yet.', { where: key });
    }
    if ('refused' in read) return refuse(read.refused);
    // Not for good: the client may have been sent here before the reducer has handed its order over. If
    // nobody asks for the task any more, the next sync tells the client to drop it.
    throw new ConsiliumError('TASK_UNKNOWN', 'There is no order for it here now.', { where: task });
  }

  async #decide(phase: PhaseState, client: string, read: ReadResult): Promise<ResultReply> {
    for (;;) {
      const running = phase.checks.get(client);
      if (running === undefined) break;
      // The same message again, or another one: the one that came first is decided first.
      await running.catch(() => undefined);
    }
    const ended = phase.records.get(client);
    if (ended !== undefined) {
      return 'request' in read ? answerEnded(ended, read.request) : refuse(read.refused);
    }
    // No await between here and the entry into `checks`: nothing else can start for this client.
    const work = this.#look(phase, client, read).finally(() => {
      phase.checks.delete(client);
      this.#touched(phase.key);
    });
    phase.checks.set(client, work);
    return await work;
  }

  async #look(phase: PhaseState, client: string, read: ReadResult): Promise<ResultReply> {
    const { order } = phase;
    const at = isoTime(this.#context.now());
    if (!isOpen(phase, this.#context.now()) || phase.closed) {
      return await this.#settle(phase, lateRecord(order, client, at), read);
    }
    if ('refused' in read) return await this.#refuse(phase, client, read.refused, read);
    const { request } = read;
    if (request.outcome === 'failed') {
      return await this.#settle(phase, failedRecord(order, client, request, at), read);
    }
    try {
      const record = await this.#verify(phase, client, request);
      return await this.#settle(phase, record, read);
    } catch (error) {
      const known = asConsiliumError(error);
      if (isTransient(known)) throw known;
      return await this.#refuse(phase, client, known, read);
    }
  }

  /** Everything that has to hold before a result counts. @throws ConsiliumError */
  async #verify(phase: PhaseState, client: string, request: DoneRequest): Promise<TaskRecord> {
    const { order } = phase;
    const { records, heavy, settings, now } = this.#context;
    const enrolled = await records.client(client);
    checkClaim(request, { order, client, enrolled, sizeFactor: settings.sizeFactor });
    const { update: digest, num_examples } = request.signed.claim;
    if (digest === undefined || request.update_size === undefined) {
      return doneRecord(order, client, request, null, isoTime(now()));
    }
    const update = updateRef(order, client, digest, request.update_size);
    await this.#expectObject(update);
    const weight = order.weighting === 'equal' ? 1 : num_examples;
    await heavy.check({ base: baseOf(order), update, client, weight, maxNorm: order.max_update_norm });
    return doneRecord(order, client, request, update, isoTime(now()));
  }

  async #expectObject(update: ReturnType<typeof updateRef>): Promise<void> {
    const info = await this.#context.store.head(update.bucket, update.key).catch((error: unknown) => {
      const known = asConsiliumError(error);
      if (known.code !== 'STORE_NOT_FOUND') throw known;
      throw new ConsiliumError('UPDATE_MISSING', 'There is no such object.', { where: update.key });
    });
    if (info.size === update.size) return;
    const detail = `It has ${info.size} bytes, the result states ${update.size}.`;
    throw new ConsiliumError('UPDATE_WRONG_SIZE', detail, { where: update.key });
  }

  async #refuse(
    phase: PhaseState,
    client: string,
    error: ConsiliumError,
    read: ReadResult,
  ): Promise<ResultReply> {
    const at = isoTime(this.#context.now());
    const reply = await this.#settle(phase, refusedRecord(phase.order, client, error, at), read);
    // The full error, fix included, when it is the one that was recorded now.
    return reply.error?.code === error.code ? refuse(error) : reply;
  }

  /** Writes the outcome; if one stands already, that one answers. */
  async #settle(phase: PhaseState, wanted: TaskRecord, read: ReadResult): Promise<ResultReply> {
    const { record, created } = await this.#context.records.createTask(wanted);
    phase.records.set(record.client, record);
    if (created) this.#announce(phase, record, read);
    if ('request' in read) return answerEnded(record, read.request);
    return refuse(read.refused);
  }

  #announce(phase: PhaseState, record: TaskRecord, read: ReadResult): void {
    const { events, log } = this.#context;
    const request: ResultRequest | undefined = 'request' in read ? read.request : undefined;
    const seen = { task: record.task, state: record.state, code: record.error?.code };
    log.info(seen, record.state === 'done' ? 'result accepted' : 'task failed');
    if (record.state === 'done') {
      if (request?.outcome === 'done') events.result(phase.order, record.client, request);
      return;
    }
    if (request?.outcome === 'failed' && record.error?.code === request.error.code) {
      events.failed(phase.order, record);
      return;
    }
    const { code, detail } = record.error ?? { code: 'INTERNAL', detail: '' };
    events.refused(phase.order, record.client, ConsiliumError.fromBody({ code, detail }));
  }
}
