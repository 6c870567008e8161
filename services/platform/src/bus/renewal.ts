import type { Logger } from '../log/index.js';
import type { JwtSource } from './jwt-source.js';

interface RenewalOptions {
  readonly source: JwtSource;
  readonly now: () => number;
  readonly log: Logger;
  /** Whether no request and no handler of ours is under way. */
  readonly isIdle: () => boolean;
  readonly reconnect: () => Promise<void>;
}

const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Fetches the next JWT before this one ends and reconnects in a quiet moment, so that the server
 * does not cut the connection in the middle of an exchange. If nothing is quiet, or the JWT cannot
 * be had, the server's cut at the end of the JWT does the same less gently.
 */
export class Renewal {
  readonly #options: RenewalOptions;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** Call after each connection. */
  schedule(): void {
    clearTimeout(this.#timer);
    const at = this.#options.source.renewAt;
    if (this.#stopped || at === Number.POSITIVE_INFINITY) return;
    this.#after(Math.max(250, at - this.#options.now()), () => this.#renew());
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #renew(): Promise<void> {
    const { source, log, now } = this.#options;
    const quietUntil = now() + Math.max(0, source.endsAt - now()) / 2;
    try {
      await source.refresh(true);
    } catch (error) {
      log.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        'the JWT could not be renewed yet',
      );
      this.#after(Math.max(1_000, (source.endsAt - now()) / 2), () => this.#renew());
      return;
    }
    await this.#whenQuiet(quietUntil);
  }

  async #whenQuiet(until: number): Promise<void> {
    if (this.#options.isIdle() || this.#options.now() >= until) {
      await this.#options.reconnect();
      return;
    }
    this.#after(50, () => this.#whenQuiet(until));
  }

  #after(delay: number, task: () => Promise<void>): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(
      () => {
        task().catch((error: unknown) => this.#options.log.warn({ err: error }, 'renewing the JWT failed'));
      },
      Math.min(delay, LONGEST_TIMER),
    );
    this.#timer.unref();
  }
}
