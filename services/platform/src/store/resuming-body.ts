import { ConsiliumError } from '@consilium/protocol';
import { backoffMs, isTransient, type StoreSettings } from './retry.js';

/**
 * Yields exactly `total` bytes. Where the connection breaks, `open` is asked for the rest from that byte on;
 * tries are counted anew whenever bytes came in between. `open` and the body it gives throw STORE_UNAVAILABLE
 * for what may pass.
 */
export async function* resumingBody(
  what: string,
  total: number,
  first: AsyncIterable<Uint8Array>,
  open: (skip: number) => Promise<AsyncIterable<Uint8Array>>,
  settings: StoreSettings,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  let done = 0;
  let body: AsyncIterable<Uint8Array> | undefined = first;
  for (let attempt = 1; done < total; ) {
    try {
      body ??= await open(done);
      for await (const chunk of body) {
        signal?.throwIfAborted();
        if (done + chunk.byteLength > total) throw tooMany(total, what);
        done += chunk.byteLength;
        attempt = 1;
        yield chunk;
      }
      if (done < total) {
        throw new ConsiliumError(
          'STORE_UNAVAILABLE',
          `The connection ended after ${done} of ${total} bytes.`,
          {
            where: what,
          },
        );
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (!isTransient(error) || attempt >= settings.attempts) throw error;
      const delayMs = backoffMs(attempt, settings.random);
      settings.onRetry({ what, attempt, delayMs, error });
      attempt++;
      body = undefined;
      await settings.sleep(delayMs, signal);
    }
  }
}

function tooMany(total: number, what: string): ConsiliumError {
  return new ConsiliumError('STORE_SIZE_MISMATCH', `More than the ${total} bytes asked for came.`, {
    where: what,
  });
}
