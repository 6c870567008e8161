/** Calls under way at a time; more than Node's own four threads for files brings nothing. */
const WIDTH = 8;

/** Results in the order of the items; the first error ends it, once the calls under way have ended. */
export async function inParallel<T, R>(items: readonly T[], call: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const at = next++;
      try {
        results[at] = await call(items[at] as T);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const all = await Promise.allSettled(Array.from({ length: WIDTH }, worker));
  const broken = all.find((result) => result.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
  return results;
}
