import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Bus,
  bootstrapNats,
  createIdentity,
  createLogger,
  digestOf,
  type Identity,
  loadOrCreateIdentity,
  type NatsBootstrap,
  type ObjectStore,
  openKv,
  type StoreConfig,
  signDocument,
  signRequest,
  storeFromConfig,
} from '@consilium/platform';
import {
  buckets,
  type EnrolReply,
  enrolReplySchema,
  kvBuckets,
  objectKeys,
  productVersion,
  protocolVersion,
  purposes,
  streams,
} from '@consilium/protocol';
import {
  type ReducerConfigInput,
  type RunningReducer,
  reducerConfigSchema,
  startReducer,
} from '@consilium/reducer';
import { type NatsBinary, TestNats } from './nats-servers.js';
import { type StoreServerProcess, startStoreServerProcess, storeKey } from './store-server.js';

const silent = createLogger({ service: 'test', level: process.env.TEST_LOG ?? 'silent', pretty: false });

export interface Answer {
  readonly status: number;
  /** The body: JSON when it is JSON, text otherwise. */
  readonly body: unknown;
  /** `code` of an error body. */
  readonly code: string | undefined;
}

export interface Call {
  readonly token?: string | undefined;
  /** Sent as JSON; `raw` is sent as it is. */
  readonly body?: unknown;
  readonly raw?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Everything that lasts, to be compared before and after. */
export interface Traces {
  readonly keys: readonly string[];
  readonly objects: readonly string[];
}

/** Real nats-server and store server, with reducers in this process, and an admin's token. */
export class ReducerStage {
  readonly nats: TestNats;
  readonly dir: string;
  readonly adminToken = `cat_${randomBytes(32).toString('base64url')}`;
  store!: ObjectStore;
  storeConfig!: StoreConfig;
  bus!: Bus;
  #bootstrap!: NatsBootstrap;
  #storeServer!: StoreServerProcess;
  readonly reducers: RunningReducer[] = [];

  private constructor(nats: TestNats, dir: string) {
    this.nats = nats;
    this.dir = dir;
  }

  /** @param count how many reducers to start. */
  static async start(binary: NatsBinary, count = 1): Promise<ReducerStage> {
    const stage = new ReducerStage(
      await TestNats.start(binary),
      await mkdtemp(join(tmpdir(), 'consilium-reducer-')),
    );
    try {
      await stage.#set();
      for (let number = 1; number <= count; number += 1) await stage.startReducer(`reducer-${number}`);
    } catch (error) {
      await stage.stop();
      throw error;
    }
    return stage;
  }

  async #set(): Promise<void> {
    const services = ['reducer-1', 'reducer-2', 'north', 'south'];
    this.#bootstrap = await bootstrapNats({ dir: this.nats.dir, services, now: Date.now() });
    this.#storeServer = await startStoreServerProcess(join(this.dir, 'objects'));
    this.storeConfig = { kind: 'filesystem', url: this.#storeServer.url, key: storeKey };
    this.store = await storeFromConfig(this.storeConfig);
    this.bus = await this.nats.service('observer');
    await loadOrCreateIdentity(join(this.dir, 'reducer.nk'), 'user');
  }

  credsOf(service: string): string {
    const file = this.#bootstrap.services[service];
    if (file === undefined) throw new Error(`there are no credentials for ${service}`);
    return file;
  }

  config(name: string, change: Partial<ReducerConfigInput> = {}) {
    return reducerConfigSchema.parse({
      reducer: name,
      nats: {
        servers: [this.nats.url],
        client_servers: [this.nats.webSocketUrl],
        creds_file: this.credsOf(name),
        account: this.#bootstrap.account,
        account_signing_key_file: this.#bootstrap.accountSigningKeyFile,
      },
      store: this.storeConfig,
      key_file: join(this.dir, 'reducer.nk'),
      temp_dir: join(this.dir, 'tmp'),
      admin_token_hash: createHash('sha256').update(this.adminToken).digest('hex'),
      sync_seconds: 1,
      ...change,
    });
  }

  async startReducer(
    name: string,
    options: { change?: Partial<ReducerConfigInput>; now?: () => number } = {},
  ): Promise<RunningReducer> {
    const config = this.config(name, options.change) as Parameters<typeof startReducer>[0];
    const { signal } = new AbortController();
    const now = options.now === undefined ? {} : { now: options.now };
    const reducer = await startReducer(config, { log: silent, signal, ...now });
    this.reducers.push(reducer);
    return reducer;
  }

  get url(): string {
    return this.reducers[0]!.url;
  }

  async call(method: string, path: string, { token, body, raw, headers = {} }: Call = {}): Promise<Answer> {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent as string }),
    });
    return answerOf(response.status, await response.text());
  }

  /** A call with the admin's token to `/api/v1`. */
  admin(method: string, path: string, call: Omit<Call, 'token'> = {}): Promise<Answer> {
    return this.call(method, `/api/v1${path}`, { ...call, token: this.adminToken });
  }

  async userToken(role: 'viewer' | 'engineer' | 'admin', name: string = role): Promise<string> {
    return field(await this.admin('POST', '/users', { body: { name, role } }), 201, 'token');
  }

  async joinToken(client?: string, hours?: number): Promise<string> {
    const body = {
      ...(client === undefined ? {} : { client }),
      ...(hours === undefined ? {} : { expires_in_hours: hours }),
    };
    return field(await this.admin('POST', '/join-tokens', { body }), 201, 'token');
  }

  /** The body of an enrolment, all in order unless said otherwise. */
  enrolment(token: string, client: string, identity: Identity, change: object = {}): object {
    const { publicKey: key } = identity;
    const proof = signDocument(purposes.joinToken, { token, client, key }, identity).value;
    return { token, client, key, proof, protocol: protocolVersion, version: productVersion, ...change };
  }

  enrol(body: object): Promise<Answer> {
    return this.call('POST', '/api/v1/enrol', { body });
  }

  /** A site that has enrolled. */
  async site(
    client: string,
    identity = createIdentity('user'),
  ): Promise<{ identity: Identity; reply: EnrolReply }> {
    const answer = await this.enrol(this.enrolment(await this.joinToken(client), client, identity));
    if (answer.status !== 200) throw new Error(JSON.stringify(answer));
    return { identity, reply: enrolReplySchema.parse(answer.body) };
  }

  /** Headers with which a client signs a request. */
  signed(
    identity: Identity,
    method: string,
    path: string,
    body: string = '',
    change: { time?: number; nonce?: string } = {},
  ): Record<string, string> {
    const { time = Date.now(), nonce = randomBytes(16).toString('base64url') } = change;
    return signRequest({ method, path, bodyDigest: digestOf(Buffer.from(body)), time, nonce }, identity);
  }

  renew(
    identity: Identity,
    client: string,
    change: { time?: number; nonce?: string; protocol?: number } = {},
  ) {
    const { protocol = protocolVersion } = change;
    const raw = JSON.stringify({ protocol, version: productVersion, client });
    const path = '/api/v1/renew';
    return this.call('POST', path, { raw, headers: this.signed(identity, 'POST', path, raw, change) });
  }

  /** Brings bytes in over the API, as an engineer does. */
  async upload(bytes: Uint8Array): Promise<{ digest: string; size: number }> {
    const digest = digestOf(bytes);
    await this.store.put(buckets.work, objectKeys.upload(digest), bytes);
    return { digest, size: bytes.length };
  }

  /** All keys of KV with their revisions, and all objects with their sizes. */
  async traces(): Promise<Traces> {
    const keys: string[] = [];
    for (const { name, ttl } of Object.values(kvBuckets)) {
      // Heartbeats and leases are written all the time.
      if (ttl > 0) continue;
      const bucket = await openKv(this.bus, { name });
      for (const { key, revision } of await bucket.entries()) keys.push(`${name}/${key}@${revision}`);
    }
    const objects: string[] = [];
    for (const bucket of Object.values(buckets)) {
      for await (const { key, size } of this.store.list(bucket)) objects.push(`${bucket}/${key} ${size}`);
    }
    return { keys: keys.sort(), objects: objects.sort() };
  }

  /** Everything that is stored in JetStream, as text: KV buckets and streams. */
  async storedText(): Promise<string> {
    const { openStream } = await import('@consilium/platform');
    let text = '';
    for (const { name } of Object.values(kvBuckets)) {
      for (const entry of await (await openKv(this.bus, { name })).entries()) text += JSON.stringify(entry);
    }
    for (const stream of Object.values(streams)) {
      for await (const message of (await openStream(this.bus, stream)).read())
        text += JSON.stringify(message);
    }
    return text;
  }

  async stop(): Promise<void> {
    for (const reducer of this.reducers.splice(0).reverse()) await reducer.stop();
    await this.store?.close();
    await this.nats.stop();
    await this.#storeServer?.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}

export function answerOf(status: number, text: string): Answer {
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // a text
  }
  const code = typeof body === 'object' && body !== null && 'code' in body ? String(body.code) : undefined;
  return { status, body, code };
}

function field(answer: Answer, status: number, name: string): string {
  if (answer.status !== status) throw new Error(JSON.stringify(answer));
  return String((answer.body as Record<string, unknown>)[name]);
}
