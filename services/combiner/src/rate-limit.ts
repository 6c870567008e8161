/** Lets things worth `perSecond` a key through on average, and `burst` at once (token bucket). */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /**
   * @param now milliseconds, never going back
   * @param cost what this one is worth
   */
  allows(key: string, now: number, cost = 1): boolean {
    const bucket = this.#buckets.get(key) ?? { tokens: this.#burst, at: now };
    const tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#perSecond);
    const passes = tokens >= cost;
    this.#buckets.set(key, { tokens: passes ? tokens - cost : tokens, at: now });
    return passes;
  }

  /** Forgets keys not seen for `idleMs`, so that the map stays as small as the cohort. */
  sweep(now: number, idleMs: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (now - bucket.at > idleMs) this.#buckets.delete(key);
    }
  }
}
