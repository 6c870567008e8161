import { setTimeout as delay } from 'node:timers/promises';
import { asConsiliumError, type ConsiliumError } from '@consilium/protocol';

/** Time and chance, so that tests own them. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since some moment; never goes back when somebody sets the clock. */
  elapsed(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Rejects when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  random: Math.random,
  sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }),
};

/** Exponential from `first` to `cap` ms, half of it random, so that many sites do not come back in step. */
export function backoffMs(attempt: number, first: number, cap: number, random: number): number {
  const full = Math.min(cap, first * 2 ** Math.min(attempt, 30));
  return Math.round(full / 2 + (full / 2) * random);
}

/**
 * Whether the same request may succeed later without anybody changing anything here: the other side or the way
 * to it is down, or a combiner that has just started does not know the task yet.
 */
export function isTransient(error: ConsiliumError): boolean {
  // A disk that is full here does not empty itself while a task waits for it.
  if (error.code === 'STORE_DISK_FULL') return false;
  return error.http >= 500 || error.code === 'TASK_UNKNOWN';
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** First delay, ms. */
  readonly first?: number;
  /** Longest delay, ms. */
  readonly cap?: number;
  readonly onRetry: (error: ConsiliumError, attempt: number, delayMs: number) => void;
}

/**
 * Repeats what fails in a transient way, for ever, until the signal aborts.
 * @throws ConsiliumError what is not transient; the reason of the signal once it aborted
 */
export async function retrying<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal, first = 500, cap = 30_000, onRetry } = options;
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asConsiliumError(thrown);
      if (!isTransient(error)) throw error;
      const ms = backoffMs(attempt, first, cap, clock.random());
      onRetry(error, attempt + 1, ms);
      await clock.sleep(ms, signal).catch(() => signal.throwIfAborted());
    }
  }
}

/** What the work gives, or the signal's reason as soon as it aborts; the work itself then ends unobserved. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
