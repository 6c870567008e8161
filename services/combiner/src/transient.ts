import type { ConsiliumError } from '@consilium/protocol';

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

/** Milliseconds to wait after the n-th failure in a row (from 1): doubling up to 15 s, with jitter. */
export function retryDelay(failures: number, random: () => number): number {
  const ceiling = Math.min(15_000, 250 * 2 ** Math.min(failures - 1, 10));
  return ceiling / 2 + (ceiling / 2) * random();
}
