import { ConsiliumError } from '@consilium/protocol';

const LASTING = new Set([
  'STORE_NOT_FOUND',
  'STORE_DIGEST_MISMATCH',
  'STORE_SIZE_MISMATCH',
  'STORE_BAD_NAME',
]);

/**
 * Whether trying again may help: the bus or the store was away, or something unexpected happened here.
 * Everything else is a property of the input and would fail again.
 */
export function isTransient(error: ConsiliumError): boolean {
  if (error.code === 'INTERNAL') return true;
  const external = error.code.startsWith('BUS_') || error.code.startsWith('STORE_');
  return external && !LASTING.has(error.code);
}

/**
 * A transient error as a client may see it. Some say "denied" or "conflict" about this combiner's own dealings
 * with bus and store; a client would take that for an answer to its result and give up.
 */
export function forClient(error: ConsiliumError): ConsiliumError {
  const own = error.http < 500 || error.code === 'STORE_DISK_FULL';
  if (!own) return error;
  const code = error.code.startsWith('STORE_') ? 'STORE_UNAVAILABLE' : 'BUS_UNAVAILABLE';
  return new ConsiliumError(code, `The combiner met ${error.code}.`, { cause: error });
}

/** Milliseconds to wait after the n-th failure in a row (from 1): doubling up to 15 s, with jitter. */
export function retryDelay(failures: number, random: () => number): number {
  const ceiling = Math.min(15_000, 250 * 2 ** Math.min(failures - 1, 10));
  return ceiling / 2 + (ceiling / 2) * random();
}
