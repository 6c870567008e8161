import { productVersion } from '@consilium/protocol';
import type { ConnectedClients } from './connected.js';
import { type Context, isoTime } from './context.js';

/** The record lives ten seconds, so three beats may be lost. */
const INTERVAL = 3000;

/** Says that this combiner is there, and how many clients it has. */
export class Heartbeat {
  readonly #context: Context;
  readonly #connected: ConnectedClients;
  readonly #startedAt: string;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: Context, connected: ConnectedClients) {
    this.#context = context;
    this.#connected = connected;
    this.#startedAt = isoTime(context.now());
  }

  /** Writes the first beat before it returns. @throws ConsiliumError BUS_ */
  async start(): Promise<void> {
    await this.#beat();
    this.#timer = setInterval(() => {
      this.#beat().catch((error: unknown) => {
        this.#context.log.warn({ err: error }, 'the heartbeat could not be written');
      });
    }, INTERVAL);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #beat(): Promise<void> {
    const { combiner, now, records } = this.#context;
    await records.writeHeartbeat({
      schema: 1,
      combiner,
      version: productVersion,
      clients: this.#connected.count(now()),
      started_at: this.#startedAt,
      at: isoTime(now()),
    });
  }
}
