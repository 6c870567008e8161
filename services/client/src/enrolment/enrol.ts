import { type Identity, signDocument } from '@consilium/platform';
import {
  asConsiliumError,
  type ClientConfig,
  ConsiliumError,
  type EnrolReply,
  enrolReplySchema,
  infoSchema,
  productVersion,
  protocolVersion,
  purposes,
} from '@consilium/protocol';
import type { ReducerApi } from './reducer-api.js';
import type { SiteRecord, SiteRecordFile } from './site-record.js';
import { requireCompatible } from './versions.js';

export interface EnrolmentOptions {
  readonly config: Pick<ClientConfig, 'url' | 'name' | 'token' | 'reducer_key'>;
  readonly identity: Identity;
  readonly api: ReducerApi;
  readonly record: SiteRecordFile;
  readonly now: () => number;
}

export interface Enrolled {
  readonly reply: EnrolReply;
  /** True when a join token was used just now. */
  readonly fresh: boolean;
}

/** Gets this client its NATS JWT: by its key once it has enrolled, by the join token before. */
export class Enrolment {
  readonly #options: EnrolmentOptions;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /**
   * Looks at who answers there before anything secret is sent, then renews, or enrols with the join token.
   * @throws ConsiliumError CLIENT_UNREACHABLE (try again), CLIENT_VERSION_MISMATCH, CLIENT_REDUCER_CHANGED,
   *   CLIENT_TOKEN_NEEDED, CLIENT_STATE_OTHER, CLIENT_BAD_ANSWER, or what the reducer says
   *   (TRUST_TOKEN_USED, TRUST_REVOKED, …)
   */
  async join(signal?: AbortSignal): Promise<Enrolled> {
    const { api, config, record } = this.#options;
    const known = await record.read();
    this.#requireSameClient(known);
    const value = await api.get('/api/v1/info', signal);
    const versions = value as {
      product?: unknown;
      version?: unknown;
      protocol?: unknown;
      oldest_protocol?: unknown;
    };
    if (versions?.product !== 'consilium' || typeof versions.protocol !== 'number') {
      throw new ConsiliumError('CLIENT_BAD_ANSWER', 'It does not say that it is one.', { where: config.url });
    }
    requireCompatible(
      {
        version: String(versions.version),
        protocol: versions.protocol,
        ...(typeof versions.oldest_protocol === 'number' ? { oldest: versions.oldest_protocol } : {}),
      },
      config.url,
    );
    const info = parse(infoSchema, value, config.url);
    this.#requireTrusted(info.reducer_key, known);
    return known === undefined && config.token !== undefined
      ? { reply: await this.#enrol(config.token, signal), fresh: true }
      : await this.renewOrEnrol(signal);
  }

  /** What keeps a client connected: a fresh JWT by its key, or by its token if the key is not known any more. */
  async renewOrEnrol(signal?: AbortSignal): Promise<Enrolled> {
    const { config } = this.#options;
    try {
      return { reply: await this.#renew(signal), fresh: false };
    } catch (thrown) {
      const error = asConsiliumError(thrown);
      if (error.code !== 'TRUST_UNKNOWN_CLIENT') throw error;
      if (config.token !== undefined) return { reply: await this.#enrol(config.token, signal), fresh: true };
      const detail = `The reducer does not know the key ${this.#options.identity.publicKey} of "${config.name}".`;
      throw new ConsiliumError('CLIENT_TOKEN_NEEDED', detail, { where: config.url, cause: error });
    }
  }

  async #renew(signal?: AbortSignal): Promise<EnrolReply> {
    const { api, config } = this.#options;
    const body = { protocol: protocolVersion, version: productVersion, client: config.name };
    return await this.#accept(await api.postSigned('/api/v1/renew', body, signal));
  }

  async #enrol(token: string, signal?: AbortSignal): Promise<EnrolReply> {
    const { api, config, identity } = this.#options;
    const client = config.name;
    const key = identity.publicKey;
    const proof = signDocument(purposes.joinToken, { token, client, key }, identity).value;
    const body = { token, client, key, proof, protocol: protocolVersion, version: productVersion };
    return await this.#accept(await api.post('/api/v1/enrol', body, signal));
  }

  async #accept(value: unknown): Promise<EnrolReply> {
    const { config, record, now } = this.#options;
    const reply = parse(enrolReplySchema, value, config.url);
    requireCompatible(reply, config.url);
    if (reply.client !== config.name) {
      const detail = `It speaks of the client "${reply.client}", this one is "${config.name}".`;
      throw new ConsiliumError('CLIENT_BAD_ANSWER', detail, { where: config.url });
    }
    const known = await record.read();
    this.#requireTrusted(reply.reducer_key, known);
    const next: SiteRecord = {
      schema: 1,
      client: config.name,
      url: config.url,
      reducer_key: reply.reducer_key,
      enrolled_at: known?.enrolled_at ?? new Date(now()).toISOString(),
    };
    if (JSON.stringify(known) !== JSON.stringify(next)) await record.write(next);
    return reply;
  }

  #requireSameClient(known: SiteRecord | undefined): void {
    const { config, record } = this.#options;
    if (known === undefined || known.client === config.name) return;
    const detail = `It was made for the client "${known.client}", client.yaml says "${config.name}".`;
    throw new ConsiliumError('CLIENT_STATE_OTHER', detail, { where: record.path });
  }

  /** client.yaml decides; without a word there, the key that was seen first holds. */
  #requireTrusted(key: string, known: SiteRecord | undefined): void {
    const { config, record } = this.#options;
    const trusted = config.reducer_key ?? known?.reducer_key;
    if (trusted === undefined || trusted === key) return;
    const source = config.reducer_key === undefined ? record.path : 'reducer_key in client.yaml';
    const detail = `${config.url} has the key ${key}, trusted is ${trusted}.`;
    throw new ConsiliumError('CLIENT_REDUCER_CHANGED', detail, { where: source });
  }
}

interface Schema<T> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };
}

function parse<T>(schema: Schema<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.map(String).join('.') ?? '';
  throw new ConsiliumError('CLIENT_BAD_ANSWER', `${field}: ${issue?.message ?? 'not valid'}.`, { where });
}
