import { ConsiliumError, type ErrorCode, isErrorCode } from '@consilium/protocol';
import { Agent, type Dispatcher, request } from 'undici';
import { type StoreSettings, withRetries } from '../retry.js';
import { authorization, serviceScheme, signature, storeHeader } from './wire.js';

/** How long a service's own signature holds; covers slow starts and clocks that differ a little. */
const requestTtlSeconds = 300;
/**
 * Bytes that an answer may have. What fits the buffer is never paused; undici 7 crashes the process when a server
 * closes a connection whose response is paused (nodejs/undici#5360, fixed only in 8, which wants Node 22).
 */
export const windowSize = 8 * 1024 * 1024;
const longestErrorBody = 64 * 1024;

export interface StoreRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Bucket and key, for messages. */
  readonly where: string;
  readonly signal?: AbortSignal | undefined;
}

/** Signed requests to one store server. */
export class StoreHttp {
  readonly #origin: string;
  readonly #host: string;
  readonly #key: string;
  readonly #settings: StoreSettings;
  readonly #dispatcher: Dispatcher;
  readonly #owned: Agent | undefined;

  constructor(url: URL, key: string, settings: StoreSettings, dispatcher?: Dispatcher) {
    this.#origin = url.origin;
    this.#host = url.host;
    this.#key = key;
    this.#settings = settings;
    this.#owned = dispatcher === undefined ? new Agent({ connections: 64 }) : undefined;
    this.#dispatcher = dispatcher ?? (this.#owned as Agent);
  }

  /** Sends a request, repeats what may pass, throws for every answer that is not a success. */
  async send(what: StoreRequest, onTry?: (attempt: number) => void): Promise<Dispatcher.ResponseData> {
    return await withRetries(
      what.where,
      this.#settings,
      (attempt) => {
        onTry?.(attempt);
        return this.#once(what);
      },
      what.signal,
    );
  }

  /** The same for an answer in JSON. */
  async json<T>(what: StoreRequest): Promise<T> {
    return await withRetries(
      what.where,
      this.#settings,
      async () => {
        const answer = await this.#once(what);
        try {
          return (await answer.body.json()) as T;
        } catch (error) {
          throw unreachable(error, what.where);
        }
      },
      what.signal,
    );
  }

  async close(): Promise<void> {
    await this.#owned?.destroy();
  }

  async #once(what: StoreRequest): Promise<Dispatcher.ResponseData> {
    const query = new URLSearchParams(what.query);
    const headers: Record<string, string> = { ...what.headers };
    if (what.body !== undefined) headers['content-length'] = String(what.body.byteLength);
    const expires = Math.floor(this.#settings.now() / 1000) + requestTtlSeconds;
    const { method, path } = what;
    const signed = signature(this.#key, { method, host: this.#host, path, query, expires, headers });
    const search = query.size === 0 ? '' : `?${query}`;
    let answer: Dispatcher.ResponseData;
    try {
      answer = await request(`${this.#origin}${path}${search}`, {
        method,
        headers: { ...headers, authorization: authorization(expires, signed) },
        body: what.body ?? null,
        dispatcher: this.#dispatcher,
        highWaterMark: windowSize + 64 * 1024,
        headersTimeout: this.#settings.timeoutMs,
        bodyTimeout: this.#settings.timeoutMs,
        signal: what.signal ?? null,
      });
    } catch (error) {
      if (what.signal?.aborted) throw what.signal.reason;
      throw unreachable(error, what.where);
    }
    if (answer.statusCode < 300) return answer;
    throw await errorOf(answer, what.where);
  }
}

export function unreachable(error: unknown, where: string): ConsiliumError {
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
  const detail = error instanceof Error ? error.message : String(error);
  return new ConsiliumError('STORE_UNAVAILABLE', `${detail}${code}`, { where, cause: error });
}

/** Our own errors travel as JSON, and for HEAD, which has no body, as a header. */
async function errorOf(answer: Dispatcher.ResponseData, where: string): Promise<ConsiliumError> {
  const text = await limitedText(answer.body);
  const named = answer.headers[storeHeader.code];
  const status = answer.statusCode;
  try {
    const body: unknown = JSON.parse(text);
    if (isErrorBody(body) && body.code.startsWith('STORE_')) return ConsiliumError.fromBody(body);
  } catch {
    // Not our JSON: a HEAD, or something in between that answers for the store. The status decides below.
  }
  if (typeof named === 'string' && named.startsWith('STORE_') && isErrorCode(named)) {
    return new ConsiliumError(named, `The store answered with HTTP ${status}.`, { where });
  }
  return new ConsiliumError(
    codeForStatus(status),
    `HTTP ${status} without a ${serviceScheme} error: ${JSON.stringify(text.slice(0, 200))}.`,
    { where },
  );
}

function codeForStatus(status: number): ErrorCode {
  if (status === 507) return 'STORE_DISK_FULL';
  if (status >= 500 || status === 408 || status === 429 || status < 400) return 'STORE_UNAVAILABLE';
  if (status === 401 || status === 403) return 'STORE_DENIED';
  if (status === 404) return 'STORE_NOT_FOUND';
  return 'STORE_BAD_REQUEST';
}

async function limitedText(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Uint8Array);
      bytes += (chunk as Uint8Array).byteLength;
      if (bytes > longestErrorBody) break;
    }
  } catch {
    // The connection broke inside an error's text; what came is said, and the status stands.
  }
  return Buffer.concat(chunks).toString('utf8');
}

function isErrorBody(body: unknown): body is { code: string } {
  return typeof body === 'object' && body !== null && 'code' in body && typeof body.code === 'string';
}
