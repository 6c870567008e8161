/** Which clients are there: those that synced not long ago. */
export class ConnectedClients {
  readonly #seen = new Map<string, number>();
  readonly #windowMs: number;

  /** @param windowMs a client that was silent for longer is away */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  saw(client: string, now: number): void {
    this.#seen.set(client, now);
  }

  count(now: number): number {
    for (const [client, at] of this.#seen) {
      if (now - at > this.#windowMs) this.#seen.delete(client);
    }
    return this.#seen.size;
  }
}
