import { randomBytes } from 'node:crypto';
import { digestOf, type httpFetch, type Identity, signRequest } from '@consilium/platform';
import { ConsiliumError, isErrorCode } from '@consilium/protocol';

/** Long enough for a slow proxy, short enough to notice a dead one. */
const TIMEOUT_MS = 20_000;

export interface ReducerApiOptions {
  /** Without a slash at the end. */
  readonly url: string;
  readonly identity: Identity;
  /** Goes through the proxy and trusts the CA of client.yaml. */
  readonly fetch: ReturnType<typeof httpFetch>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The few routes of the reducer that a client uses. */
export class ReducerApi {
  readonly #options: ReducerApiOptions;

  constructor(options: ReducerApiOptions) {
    this.#options = options;
  }

  /** @throws ConsiliumError CLIENT_UNREACHABLE, CLIENT_BAD_ANSWER, or what the reducer says */
  get(path: string, signal?: AbortSignal): Promise<unknown> {
    return this.#send('GET', path, undefined, {}, signal);
  }

  post(path: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#send('POST', path, JSON.stringify(body), {}, signal);
  }

  /** Signed with the client's key: the reducer knows who asks. */
  postSigned(path: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
    const text = JSON.stringify(body);
    const { url, identity, now } = this.#options;
    const bodyDigest = digestOf(text);
    const nonce = randomBytes(18).toString('base64url');
    // An address with a path of its own (behind a shared ingress) is signed as it is sent.
    const sent = new URL(url + path).pathname;
    const headers = signRequest({ method: 'POST', path: sent, bodyDigest, time: now(), nonce }, identity);
    return this.#send('POST', path, text, headers, signal);
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    body: string | undefined,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const address = this.#options.url + path;
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    let status: number;
    let text: string;
    let location: string | null;
    try {
      const response = await this.#options.fetch(address, {
        method,
        // A signed request is good for one address: a redirect is shown to the person, not followed.
        redirect: 'manual',
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body }),
        signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
      });
      status = response.status;
      location = response.headers.get('location');
      text = await response.text();
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof ConsiliumError) throw cause;
      throw new ConsiliumError('CLIENT_UNREACHABLE', reasonOf(cause), { where: address, cause });
    }
    return readAnswer(address, status, text, location);
  }
}

function reasonOf(error: unknown): string {
  // fetch says "fetch failed"; what is behind it says why.
  let at: unknown = error;
  while (at instanceof Error && at.cause !== undefined) at = at.cause;
  if (at instanceof AggregateError && at.errors.length > 0) at = at.errors[0];
  if (!(at instanceof Error)) return String(at);
  const { code } = at as NodeJS.ErrnoException;
  if (at.name === 'TimeoutError') return `No answer within ${TIMEOUT_MS / 1000} s.`;
  return `${at.message}${code === undefined || at.message.includes(code) ? '' : ` (${code})`}.`;
}

function readAnswer(address: string, status: number, text: string, location: string | null): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (status >= 200 && status < 300 && value !== undefined) return value;
  const body = value as { code?: unknown; detail?: unknown } | undefined;
  if (typeof body?.code === 'string') {
    if (isErrorCode(body.code) || status >= 500) throw ConsiliumError.fromBody(body as { code: string });
    // A code of a newer reducer: what it means is unknown here, but asking again will not help.
    throw new ConsiliumError('BAD_REQUEST', `${body.code}: ${String(body.detail)}`, { where: address });
  }
  if (status === 502 || status === 503 || status === 504 || status === 429) {
    // A gateway answers in the place of a reducer that is away.
    throw new ConsiliumError('CLIENT_UNREACHABLE', `Status ${status}.`, { where: address });
  }
  const detail =
    location === null
      ? `Status ${status}, beginning with ${JSON.stringify(text.slice(0, 80))}.`
      : `Status ${status}, a redirect to ${location}: use that address as url.`;
  throw new ConsiliumError('CLIENT_BAD_ANSWER', detail, { where: address });
}
