import { ConsiliumError } from '@consilium/protocol';

/**
 * Runs a read, change and compare-and-set anew as long as somebody else changed the record in between.
 * @throws BUS_CONFLICT when that never ends
 */
export async function untilNoConflict<T>(task: () => Promise<T>, tries = 20): Promise<T> {
  for (let at = 1; ; at += 1) {
    try {
      return await task();
    } catch (error) {
      const isConflict = error instanceof ConsiliumError && error.code === 'BUS_CONFLICT';
      if (!isConflict || at >= tries) throw error;
    }
  }
}
