import { httpDispatcher } from '@consilium/platform/net';
import { ConsiliumError } from '@consilium/protocol';
import { type Dispatcher, fetch } from 'undici';
import type { z } from 'zod';
import type { Context } from './contexts.js';

/** The reducer's HTTP API, as commands use it. Answers are checked against the schema that the caller gives. */
export class ApiClient {
  readonly url: string;
  readonly dispatcher: Dispatcher;
  readonly #token: string | undefined;

  constructor(
    context: Pick<Context, 'url'> & { token?: string | undefined },
    dispatcher: Dispatcher = httpDispatcher(),
  ) {
    this.url = context.url.replace(/\/+$/, '');
    this.#token = context.token;
    this.dispatcher = dispatcher;
  }

  get<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>> {
    return this.#call('GET', path, undefined, schema);
  }

  post<T extends z.ZodType>(path: string, body: unknown, schema: T): Promise<z.output<T>> {
    return this.#call('POST', path, body, schema);
  }

  /** A POST whose answer has no body. */
  async send(path: string, body: unknown): Promise<void> {
    await this.#request('POST', path, body);
  }

  /** Lines of an endless answer, as they come. */
  async *lines(path: string, signal?: AbortSignal): AsyncGenerator<string> {
    const response = await this.#request('GET', path, undefined, signal);
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      rest += decoder.decode(chunk as Uint8Array, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  }

  async #call<T extends z.ZodType>(
    method: string,
    path: string,
    body: unknown,
    schema: T,
  ): Promise<z.output<T>> {
    const response = await this.#request(method, path, body);
    const where = `${this.url}/api/v1${path}`;
    const answer: unknown = await response.json().catch((cause: unknown) => {
      throw new ConsiliumError('CLI_BAD_ANSWER', 'It is no JSON.', { where, cause });
    });
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    const detail = `${issue?.path.join('.')}: ${issue?.message}.`;
    throw new ConsiliumError('CLI_BAD_ANSWER', detail, { where });
  }

  async #request(method: string, path: string, body: unknown, signal?: AbortSignal) {
    const where = `${this.url}/api/v1${path}`;
    let response: Awaited<ReturnType<typeof fetch>>;
    try {
      response = await fetch(where, {
        method,
        dispatcher: this.dispatcher,
        headers: {
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      const reason =
        cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
      throw new ConsiliumError('CLI_UNREACHABLE', `${reason}.`, { where: this.url, cause });
    }
    if (response.ok) return response;
    throw await errorOf(response, where);
  }
}

async function errorOf(response: Awaited<ReturnType<typeof fetch>>, where: string): Promise<ConsiliumError> {
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'code' in body && typeof body.code === 'string') {
      return ConsiliumError.fromBody(body as { code: string });
    }
  } catch {
    // Not ours: a gateway's page, for example. Said below.
  }
  const detail = `HTTP ${response.status}: ${text.slice(0, 200)}`;
  return new ConsiliumError('CLI_BAD_ANSWER', detail, { where });
}
