import { DeliverPolicy, type JsMsg, jetstream, type PushConsumer } from '@nats-io/jetstream';
import { createInbox } from 'nats';
import { AsyncQueue } from './async-queue.js';
import type { Bus } from './types.js';

/**
 * What a reader gives: messages; `caught-up` once, when everything that was there at the beginning
 * has come; `lost` at the end of the connection, after which nothing more comes.
 */
export type OrderedItem = JsMsg | 'caught-up' | 'lost';

export interface OrderedReader {
  readonly items: AsyncQueue<OrderedItem>;
  stop(): void;
}

export interface OrderedReaderOptions {
  readonly stream: string;
  /** Subject, with wildcards; one only, since 2.9 takes no list. */
  readonly filter: string;
  /** The last message of each subject, or everything from a sequence on. */
  readonly from: 'last-per-subject' | number;
}

/** How often a quiet reader that has not caught up asks the server whether there is more, in ms. */
const ASK_AFTER = 500;

/**
 * Reads a stream in order over one connection. It ends with `lost` when the connection does: the
 * caller begins anew then, which is the only way to be sure that nothing was missed.
 *
 * @throws what the NATS library throws when the stream cannot be read.
 */
export async function openOrderedReader(bus: Bus, options: OrderedReaderOptions): Promise<OrderedReader> {
  const { stream, filter, from } = options;
  const start =
    from === 'last-per-subject'
      ? { deliver_policy: DeliverPolicy.LastPerSubject }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from) };
  const consumer = await jetstream(bus.connection).consumers.getPushConsumer(stream, {
    ...start,
    filter_subjects: filter,
    deliver_prefix: createInbox(bus.inboxPrefix),
  });
  const expected = (await consumer.info(true)).num_pending;
  const items = new AsyncQueue<OrderedItem>();
  const catchUp = catchUpDetector(consumer, expected, () => items.push('caught-up'));
  const messages = await consumer.consume({
    callback: (message) => {
      items.push(message);
      catchUp.received(message.info.pending);
    },
  });
  catchUp.start();
  const lose = (): void => {
    items.push('lost');
    stop();
  };
  const stop = (): void => {
    unlisten();
    catchUp.stop();
    items.end();
    messages.stop();
    // The server would drop it after five minutes anyway; a lost connection makes this fail.
    if (bus.state === 'connected') consumer.delete().catch(() => undefined);
  };
  const unlisten = bus.onStatus((status) => {
    if (status.type === 'disconnected' || status.type === 'closed') lose();
  });
  void messages.closed().then(lose);
  return { items, stop };
}

interface CatchUp {
  start(): void;
  received(pending: number): void;
  stop(): void;
}

/**
 * Tells when everything that was there has come. Normally a message says that none is pending; but
 * the last ones may have expired under way, so a reader that hears nothing asks.
 */
function catchUpDetector(consumer: PushConsumer, expected: number, done: () => void): CatchUp {
  let count = 0;
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  const finish = (): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    done();
  };
  const ask = async (): Promise<void> => {
    const before = count;
    const { num_pending } = await consumer.info();
    if (num_pending === 0 && count === before) finish();
  };
  const wait = (): void => {
    if (over) return;
    timer = setTimeout(() => {
      ask()
        .catch(() => undefined)
        .finally(wait);
    }, ASK_AFTER);
    timer.unref();
  };
  return {
    start() {
      if (expected === 0) finish();
      else wait();
    },
    received(pending) {
      count += 1;
      if (pending === 0 || count >= expected) finish();
    },
    stop() {
      over = true;
      clearTimeout(timer);
    },
  };
}
