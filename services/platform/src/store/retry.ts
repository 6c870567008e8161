import { setTimeout as delay } from 'node:timers/promises';
import { ConsiliumError } from '@consilium/protocol';
import type { StoreDeps } from './types.js';

const firstDelayMs = 100;
const longestDelayMs = 10_000;

/** What an adapter needs to know about time, chance and limits, with the defaults filled in. */
export interface StoreSettings {
  readonly multipartThreshold: number;
  readonly partSize: number;
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly now: () => number;
  readonly random: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly onRetry: NonNullable<StoreDeps['onRetry']>;
}

const MiB = 1024 * 1024;

/** @throws STORE_BAD_CONFIG */
export function storeSettings(deps: StoreDeps): StoreSettings {
  const settings: StoreSettings = {
    multipartThreshold: deps.multipartThreshold ?? 16 * MiB,
    partSize: deps.partSize ?? 8 * MiB,
    attempts: deps.attempts ?? 8,
    timeoutMs: deps.timeoutMs ?? 30_000,
    now: deps.now ?? Date.now,
    random: deps.random ?? Math.random,
    sleep: deps.sleep ?? sleep,
    onRetry: deps.onRetry ?? (() => {}),
  };
  if (!(settings.partSize >= 5 * MiB)) {
    throw new ConsiliumError(
      'STORE_BAD_CONFIG',
      `A part has ${settings.partSize} bytes; S3 wants at least 5 MiB.`,
      {
        where: 'partSize',
      },
    );
  }
  if (!(settings.multipartThreshold >= settings.partSize)) {
    throw new ConsiliumError(
      'STORE_BAD_CONFIG',
      `${settings.multipartThreshold} is less than a part (${settings.partSize} bytes).`,
      { where: 'multipartThreshold' },
    );
  }
  return settings;
}

export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
}

/** Exponential, at most 10 s, the upper half of it random so that many clients do not come back at once. */
export function backoffMs(attempt: number, random: () => number): number {
  const full = Math.min(longestDelayMs, firstDelayMs * 2 ** (attempt - 1));
  return full / 2 + (random() * full) / 2;
}

/** A failure that may pass by itself. */
export function isTransient(error: unknown): boolean {
  return error instanceof ConsiliumError && error.code === 'STORE_UNAVAILABLE';
}

/**
 * Repeats `operation` while it throws STORE_UNAVAILABLE; the last error is thrown as it is. Everything else is
 * final at once. `operation` gets the number of the try, from 1.
 */
export async function withRetries<T>(
  what: string,
  settings: Pick<StoreSettings, 'attempts' | 'random' | 'sleep' | 'onRetry'>,
  operation: (attempt: number) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await operation(attempt);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (!isTransient(error) || attempt >= settings.attempts) throw error;
      const delayMs = backoffMs(attempt, settings.random);
      settings.onRetry({ what, attempt, delayMs, error });
      await settings.sleep(delayMs, signal);
    }
  }
}
