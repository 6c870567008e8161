import { ConsiliumError, type ErrorCode } from '@consilium/protocol';
import { Agent, type Dispatcher, request } from 'undici';
import { backoffMs, isTransient, sleep } from '../store/retry.js';
import type { TransferOptions } from './types.js';

/**
 * Bytes asked for at once. A response that fits the buffer is never paused; undici 7 crashes the process when a
 * server closes a connection whose response is paused (nodejs/undici#5360, fixed only in 8, which wants Node 22).
 */
export const windowSize = 8 * 1024 * 1024;
const longestErrorBody = 64 * 1024;

/** Connections, patience and chance of one transfer. */
export class TransferHttp {
  readonly #options: TransferOptions;
  readonly #where: string;
  readonly #owned: Agent | undefined;
  readonly #dispatcher: Dispatcher;
  #failures = 0;

  constructor(options: TransferOptions, where: string) {
    this.#options = options;
    this.#where = where;
    this.#owned = options.dispatcher === undefined ? new Agent() : undefined;
    this.#dispatcher = options.dispatcher ?? (this.#owned as Agent);
  }

  /**
   * One request; a connection that cannot be had or breaks is STORE_UNAVAILABLE, an abort its reason. The URL is
   * never part of a message: it is a credential.
   */
  async request(
    url: string,
    what: {
      readonly method: 'GET' | 'PUT';
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: AsyncIterable<Uint8Array>;
    },
  ): Promise<Dispatcher.ResponseData> {
    const { signal, timeoutMs = 30_000 } = this.#options;
    signal?.throwIfAborted();
    if (!URL.canParse(url) || !/^https?:/.test(url)) {
      throw new ConsiliumError('STORE_BAD_URL', 'The signed URL is not an http(s) URL.', {
        where: this.#where,
      });
    }
    try {
      return await request(url, {
        method: what.method,
        headers: { ...what.headers },
        body: (what.body ?? null) as Dispatcher.DispatchOptions['body'] & null,
        dispatcher: this.#dispatcher,
        highWaterMark: windowSize + 64 * 1024,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        signal: signal ?? null,
      });
    } catch (error) {
      throw this.broken(error);
    }
  }

  /** A failure of the connection as one of ours. */
  broken(error: unknown): unknown {
    const { signal } = this.#options;
    if (signal?.aborted) return signal.reason;
    if (error instanceof ConsiliumError) return error;
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    const detail = error instanceof Error ? error.message : String(error);
    return new ConsiliumError('STORE_UNAVAILABLE', `${detail}${code}`, { where: this.#where, cause: error });
  }

  /** Bytes came through, or an answer that makes sense: failures are counted anew. */
  progressed(): void {
    this.#failures = 0;
  }

  /** Waits before the next try, or throws `error` if it is final or there were too many. */
  async pauseAfter(error: unknown): Promise<void> {
    const { attempts = 8, random = Math.random, onRetry, signal } = this.#options;
    signal?.throwIfAborted();
    this.#failures++;
    if (!isTransient(error) || this.#failures >= attempts) throw error;
    const delayMs = backoffMs(this.#failures, random);
    onRetry?.({ attempt: this.#failures, delayMs, error });
    await (this.#options.sleep ?? sleep)(delayMs, signal);
  }

  async close(): Promise<void> {
    await this.#owned?.destroy();
  }
}

/** An answer that is not a success, as one of our errors: from our JSON, S3's XML, or else by its status. */
export async function answerError(answer: Dispatcher.ResponseData, where: string): Promise<ConsiliumError> {
  const status = answer.statusCode;
  const text = await limitedText(answer);
  const ours = fromJson(text);
  if (ours !== undefined) return ours;
  const name = /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]{1,300})<\/Message>/.exec(text)?.[1];
  // The text of an answer that is no store's stays here: whoever named the address could read others' pages with it.
  const said = [name, message].filter((part) => part !== undefined).join(': ');
  return new ConsiliumError(
    codeOf(status, name, message),
    `HTTP ${status}${said === '' ? '' : `: ${said}`}.`,
    {
      where,
      cause: new Error(text.slice(0, 200)),
    },
  );
}

function fromJson(text: string): ConsiliumError | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not from our store server: the caller looks at XML and status.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('code' in value)) return undefined;
  const { code } = value;
  return typeof code === 'string' && code.startsWith('STORE_')
    ? ConsiliumError.fromBody({ ...value, code })
    : undefined;
}

const byName: Readonly<Record<string, ErrorCode>> = {
  NoSuchUpload: 'STORE_NO_UPLOAD',
  NoSuchBucket: 'STORE_NO_BUCKET',
  ExpiredToken: 'STORE_URL_EXPIRED',
  RequestExpired: 'STORE_URL_EXPIRED',
  BadDigest: 'STORE_DIGEST_MISMATCH',
  InvalidDigest: 'STORE_DIGEST_MISMATCH',
  XAmzContentSHA256Mismatch: 'STORE_DIGEST_MISMATCH',
  XAmzContentChecksumMismatch: 'STORE_DIGEST_MISMATCH',
  EntityTooLarge: 'STORE_TOO_LARGE',
  IncompleteBody: 'STORE_UNAVAILABLE',
  RequestTimeout: 'STORE_UNAVAILABLE',
  XMinioStorageFull: 'STORE_DISK_FULL',
  QuotaExceeded: 'STORE_DISK_FULL',
};

function codeOf(status: number, name: string | undefined, message: string | undefined): ErrorCode {
  if (status === 412) return 'STORE_EXISTS';
  const known = byName[name ?? ''];
  if (known !== undefined) return known;
  if ((status === 400 || status === 401 || status === 403) && /expired/i.test(message ?? '')) {
    return 'STORE_URL_EXPIRED';
  }
  if (status === 401 || status === 403) return 'STORE_DENIED';
  if (status === 404) return 'STORE_NOT_FOUND';
  if (status === 416) return 'STORE_BAD_RANGE';
  if (status === 507) return 'STORE_DISK_FULL';
  // 409: another conditional write on the same key is under way.
  if (status >= 500 || [408, 409, 425, 429].includes(status) || status < 400) return 'STORE_UNAVAILABLE';
  return 'STORE_BAD_REQUEST';
}

async function limitedText(answer: Dispatcher.ResponseData): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer.body) {
      chunks.push(chunk as Uint8Array);
      bytes += (chunk as Uint8Array).byteLength;
      if (bytes > longestErrorBody) break;
    }
  } catch {
    // The connection broke inside an error's text; the status says enough.
  }
  return Buffer.concat(chunks).toString('utf8');
}
