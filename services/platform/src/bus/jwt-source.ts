import { ConsiliumError } from '@consilium/protocol';
import type { JwtClaims } from '../keys/jwt/claims.js';
import { decodeJwt } from '../keys/jwt/decode.js';

/** Milliseconds; less than the time that an attempt to connect has. */
const FETCH_TIMEOUT = 15_000;

/**
 * Keeps the current JWT and fetches the next one in time. Times are in ms since 1970.
 * A JWT is used up to the last tenth of its life (at most 30 s before its end).
 */
export class JwtSource {
  readonly #fetch: () => Promise<string> | string;
  readonly #now: () => number;
  #jwt: string | undefined;
  #issued = 0;
  #expires = Number.POSITIVE_INFINITY;
  #pending: Promise<void> | undefined;

  constructor(fetch: () => Promise<string> | string, now: () => number) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /** The JWT to connect with; `refresh` has been awaited before. */
  get current(): string {
    return this.#jwt ?? '';
  }

  /** When to renew, or Infinity for a JWT without an end. */
  get renewAt(): number {
    if (this.#expires === Number.POSITIVE_INFINITY) return this.#expires;
    return this.#expires - Math.min(30_000, (this.#expires - this.#issued) / 10);
  }

  /** When the JWT ends by the clock here, or Infinity. */
  get endsAt(): number {
    return this.#expires;
  }

  /** Forgets the JWT, because the server refused it. */
  reject(): void {
    this.#jwt = undefined;
  }

  /** Makes sure that `current` is good for a while. Concurrent calls share one fetch. */
  async refresh(force = false): Promise<void> {
    if (!force && this.#jwt !== undefined && this.#now() < this.renewAt) return;
    this.#pending ??= this.#load().finally(() => {
      this.#pending = undefined;
    });
    await this.#pending;
  }

  async #load(): Promise<void> {
    const jwt = await inTime(this.#fetch());
    const claims = decodeJwt(jwt, 'user JWT');
    this.#issued = this.#now();
    this.#expires = this.#issued + remaining(claims, this.#issued);
    this.#jwt = jwt;
  }
}

/** A fetch that never ends must not keep every later attempt waiting. */
async function inTime(fetching: Promise<string> | string): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const detail = `It was not there after ${FETCH_TIMEOUT} ms.`;
      reject(new ConsiliumError('BUS_TIMEOUT', detail, { where: 'user JWT' }));
    }, FETCH_TIMEOUT);
    timer.unref();
  });
  try {
    return await Promise.race([fetching, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * How long a JWT that was just fetched still holds, in ms. A clock here that is off by more than the
 * life of the JWT would make each one look spent or eternal; then its whole life is taken instead.
 */
function remaining(claims: JwtClaims, now: number): number {
  if (claims.exp === undefined) return Number.POSITIVE_INFINITY;
  const life = (claims.exp - claims.iat) * 1000;
  const left = claims.exp * 1000 - now;
  return left > 0 && left <= life + 1000 ? left : life;
}
