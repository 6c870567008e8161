import type { Bus } from '@consilium/platform';
import {
  type ClientEvent,
  type CompleteRequest,
  ConsiliumError,
  type HelloReply,
  type HelloRequest,
  helloReplySchema,
  type ResultReply,
  type ResultRequest,
  reducerHub,
  resultReplySchema,
  type SyncRequest,
  subjects,
  type TasksMessage,
  tasksMessageSchema,
  type UpVerb,
  type UrlsReply,
  type UrlsRequest,
  urlsReplySchema,
} from '@consilium/protocol';

interface Schema<T> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };
}

const SECOND = 1000;

/**
 * What a client says over NATS, typed, to the combiner it is assigned to at that moment. Every request may be
 * repeated: the other side recognises it by the task's id.
 */
export class CombinerLink {
  readonly #bus: Bus;
  readonly #client: string;
  #combiner: string | undefined;

  constructor(bus: Bus, client: string) {
    this.#bus = bus;
    this.#client = client;
  }

  get combiner(): string | undefined {
    return this.#combiner;
  }

  async hello(request: HelloRequest, signal: AbortSignal): Promise<HelloReply> {
    const reply = await this.#ask(reducerHub, 'hello', request, helloReplySchema, 5 * SECOND, signal);
    this.#combiner = reply.combiner;
    return reply;
  }

  /** The answer waits until a result that is being checked has been settled, so it may take a while. */
  sync(request: SyncRequest, signal: AbortSignal): Promise<TasksMessage> {
    return this.#ask(this.#assigned(), 'sync', request, tasksMessageSchema, 10 * SECOND, signal);
  }

  urls(request: UrlsRequest, signal: AbortSignal): Promise<UrlsReply> {
    return this.#ask(this.#assigned(), 'urls', request, urlsReplySchema, 10 * SECOND, signal);
  }

  async complete(request: CompleteRequest, signal: AbortSignal): Promise<void> {
    // A store may copy gigabytes together before it answers.
    const subject = subjects.up(this.#assigned(), this.#client, 'complete');
    await this.#bus.request(subject, request, { timeout: 60 * SECOND, signal });
  }

  /** The combiner reads the whole update before it answers. */
  result(request: ResultRequest, signal: AbortSignal): Promise<ResultReply> {
    return this.#ask(this.#assigned(), 'result', request, resultReplySchema, 60 * SECOND, signal);
  }

  /** Lossy: progress is worth nothing later. */
  event(event: ClientEvent): void {
    if (this.#combiner === undefined || this.#bus.state !== 'connected') return;
    this.#bus.publish(subjects.up(this.#combiner, this.#client, 'event'), event);
  }

  #assigned(): string {
    if (this.#combiner !== undefined) return this.#combiner;
    throw new ConsiliumError('BUS_UNAVAILABLE', 'No combiner has been assigned yet.');
  }

  async #ask<T>(
    hub: string,
    verb: UpVerb,
    request: unknown,
    schema: Schema<T>,
    timeout: number,
    signal: AbortSignal,
  ): Promise<T> {
    const subject = subjects.up(hub, this.#client, verb);
    const value = await this.#bus.request(subject, request, { timeout, signal });
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    const field = issue?.path.map(String).join('.') ?? '';
    const detail = `The answer does not fit: ${field}: ${issue?.message ?? 'not valid'}.`;
    throw new ConsiliumError('BUS_BAD_MESSAGE', detail, { where: subject });
  }
}
