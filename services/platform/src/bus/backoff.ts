/** Delays between attempts: the first is immediate, then they double from `base` to `cap`, in ms. */
export interface Backoff {
  /** Tells that an attempt begins. */
  attempt(): number;
  /** Tells that one succeeded. */
  succeeded(): void;
  /** Delay before the next attempt. The same until the next attempt begins. */
  delay(): number;
}

/**
 * Exponential backoff with "equal jitter": half of the delay is fixed, half is random, so that a
 * thousand clients that lost one server do not come back in step.
 *
 * @param random in [0, 1)
 */
export function createBackoff(options: { base: number; cap: number; random: () => number }): Backoff {
  const { base, cap, random } = options;
  let attempts = 0;
  let current = 0;
  return {
    attempt() {
      attempts += 1;
      const full = Math.min(cap, base * 2 ** Math.min(attempts - 1, 30));
      current = Math.round(full / 2 + (full / 2) * random());
      return attempts;
    },
    succeeded() {
      attempts = 0;
      current = 0;
    },
    delay: () => current,
  };
}
