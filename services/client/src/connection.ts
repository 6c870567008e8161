import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WarmWorkers } from '@consilium/package-runner';
import { type Bus, connectBus, type HealthState, httpDispatcher, httpFetch } from '@consilium/platform';
import {
  asConsiliumError,
  type ConsiliumError,
  clientInbox,
  type HelloRequest,
  productVersion,
  protocolVersion,
} from '@consilium/protocol';
import { parseSize } from './config/size.js';
import { DataSetIndex } from './data/data-set.js';
import { type Enrolled, Enrolment } from './enrolment/enrol.js';
import { natsAddresses } from './enrolment/nats-addresses.js';
import { ReducerApi } from './enrolment/reducer-api.js';
import { SiteRecordFile } from './enrolment/site-record.js';
import { CombinerLink } from './link/combiner-link.js';
import { SyncLoop } from './link/sync-loop.js';
import type { LocalParts } from './local-parts.js';
import { ObjectCache } from './objects/cache.js';
import { isTransient, retrying } from './retry.js';
import { TaskBoard } from './tasks/board.js';

const LEAVE_MS = 2000;

/** How far a client has come, as its health route says. */
type Stage =
  | { readonly state: 'joining'; readonly code?: string; readonly reason?: string }
  | { readonly state: 'connecting' }
  | { readonly state: 'connected'; readonly combiner: string };

/** Everything of a client that has to do with others: enrolment, NATS, tasks. */
export class Connection {
  readonly connected: Promise<void>;
  readonly ended: Promise<void>;
  readonly #parts: LocalParts;
  readonly #abort = new AbortController();
  readonly #net: { readonly caFile?: string; readonly proxy?: string; readonly noProxy?: string };
  readonly #dispatcher: ReturnType<typeof httpDispatcher>;
  readonly #enrolment: Enrolment;
  readonly #workers: WarmWorkers | undefined;
  readonly #dataSet: DataSetIndex;
  #bus: Bus | undefined;
  #board: TaskBoard | undefined;
  #renewalSaid = '';
  #joined: () => void = () => undefined;
  #stage: Stage = { state: 'joining' };

  constructor(parts: LocalParts) {
    this.#parts = parts;
    const { config, folders, identity, clock, log } = parts;
    this.#net = {
      ...(config.ca_file === undefined ? {} : { caFile: config.ca_file }),
      ...(config.proxy === undefined ? {} : { proxy: config.proxy }),
      ...(config.no_proxy === undefined ? {} : { noProxy: config.no_proxy }),
    };
    const dispatcher = httpDispatcher(this.#net);
    this.#dispatcher = dispatcher;
    const fetch = httpFetch(this.#net);
    const api = new ReducerApi({
      url: config.url,
      identity,
      fetch: (input, init) => fetch(input, { ...init, dispatcher }),
      now: clock.now,
    });
    const record = new SiteRecordFile(folders.enrolment);
    this.#enrolment = new Enrolment({ config, identity, api, record, now: clock.now });
    this.#workers = config.warm_worker ? new WarmWorkers() : undefined;
    this.#dataSet = new DataSetIndex({
      ...config.data,
      indexFile: folders.dataIndex,
      onIndexDamaged: (error) => log.warn({ err: error }, 'the index of the data folder is made anew'),
    });
    const { promise, resolve, reject } = deferred();
    this.#joined = resolve;
    this.connected = promise;
    this.ended = this.#run().catch((error: unknown) => {
      if (this.#abort.signal.aborted) return;
      reject(error);
      throw error;
    });
    // Whoever does not care gets no unhandled rejection; whoever awaits gets the error.
    this.connected.catch(() => undefined);
    this.ended.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    const { config, log } = this.#parts;
    this.#readDataAhead();
    const enrolled = await retrying(() => this.#enrolment.join(signal), {
      clock: this.#parts.clock,
      signal,
      onRetry: (error, attempt, retry_ms) => {
        this.#stage = { state: 'joining', code: error.code, reason: error.detail };
        log.warn(
          { url: config.url, code: error.code, reason: error.detail, attempt, retry_ms },
          'the reducer cannot be reached yet, trying again',
        );
      },
    });
    await this.#noteEnrolment(enrolled);
    this.#stage = { state: 'connecting' };
    this.#bus = await this.#connect(enrolled, signal);
    await this.#work(this.#bus, signal);
  }

  async #noteEnrolment({ reply, fresh }: Enrolled): Promise<void> {
    const { audit, config, identity, log } = this.#parts;
    const { reducer_key, nats, version } = reply;
    log.info(
      { url: config.url, reducer_key, version },
      fresh ? 'enrolled with the join token' : 'known to the reducer',
    );
    if (!fresh) return;
    await audit.append('client.enrolled', {
      client: config.name,
      key: identity.publicKey,
      reducer_key,
      nats,
    });
  }

  async #connect({ reply }: Enrolled, signal: AbortSignal): Promise<Bus> {
    const { config, identity, clock, log } = this.#parts;
    let first: string | undefined = reply.jwt;
    const jwt = async (): Promise<string> => {
      const have = first;
      first = undefined;
      if (have !== undefined) return have;
      try {
        const { reply } = await this.#enrolment.renewOrEnrol(signal);
        this.#renewalSaid = '';
        return reply.jwt;
      } catch (thrown) {
        this.#sayRenewal(asConsiliumError(thrown));
        throw thrown;
      }
    };
    const { caFile, ...proxy } = this.#net;
    const { use, refused } = natsAddresses(reply.nats, config);
    for (const { address, why } of refused) log.warn({ address, why }, 'an address of NATS is not used');
    return await connectBus({
      servers: use,
      identity,
      jwt,
      inboxPrefix: clientInbox(config.name),
      name: config.name,
      log,
      ...(caFile === undefined ? {} : { caFile }),
      proxy,
      firstConnectTimeout: Number.POSITIVE_INFINITY,
      signal,
      now: clock.now,
      random: clock.random,
    });
  }

  /** What only a person can mend is an error with its way out; the rest mends itself. */
  #sayRenewal(error: ConsiliumError): void {
    if (this.#abort.signal.aborted) return;
    const { code, detail, fix } = error;
    const { log } = this.#parts;
    const said = `${code} ${detail}`;
    // It is asked again every few seconds; the same answer need not be told every time.
    if (said === this.#renewalSaid) log.debug({ code, reason: detail }, 'the NATS JWT is still not renewed');
    else if (isTransient(error)) log.warn({ code, reason: detail }, 'the NATS JWT could not be renewed yet');
    else log.error({ code, detail, fix }, 'the reducer does not renew the NATS JWT');
    this.#renewalSaid = said;
  }

  async #work(bus: Bus, signal: AbortSignal): Promise<void> {
    const { config, site, clock, log, audit, folders, entries } = this.#parts;
    const link = new CombinerLink(bus, config.name);
    const cache = new ObjectCache(folders.cache, parseSize(config.cache_size), clock.now);
    const context = {
      ...this.#parts,
      link,
      cache,
      dataSet: this.#dataSet,
      facts: site.facts,
      sdk: site.sdk,
      workers: this.#workers,
      dispatcher: this.#dispatcher,
    };
    const board = new TaskBoard(context, () => loop.wake());
    const loop = new SyncLoop({
      bus,
      link,
      client: config.name,
      hello: this.#hello(),
      clock,
      log,
      report: () => board.report(),
      apply: (tasks) => board.apply(tasks),
      onJoined: (combiner) => {
        this.#stage = { state: 'connected', combiner };
        log.info({ combiner, server: bus.serverVersion }, 'connected');
        audit
          .append('client.connected', { combiner })
          .catch((error: unknown) => log.error({ err: error }, 'the audit log cannot be written'));
        this.#joined();
      },
    });
    board.restore(entries);
    this.#board = board;
    await loop.run(signal);
  }

  #hello(): HelloRequest {
    const { config, site } = this.#parts;
    return {
      protocol: protocolVersion,
      version: productVersion,
      client: config.name,
      instance: randomBytes(12).toString('hex'),
      capabilities: site.capabilities,
      ...(config.preferred_combiner === undefined ? {} : { preferred_combiner: config.preferred_combiner }),
    };
  }

  /** Digests of a large data folder take minutes the first time: better now than when a round waits. */
  #readDataAhead(): void {
    const { log } = this.#parts;
    this.#dataSet.describe().then(
      ({ files, bytes, digest }) => log.info({ files, bytes, digest }, 'data folder'),
      (error: unknown) => log.warn({ err: error }, 'the data folder cannot be read now'),
    );
  }

  /** How far the client has come; ready while it is connected and NATS answers. */
  health(): HealthState {
    const nats = this.#bus?.state;
    return {
      ready: this.#stage.state === 'connected' && nats === 'connected',
      client: this.#parts.config.name,
      ...this.#stage,
      ...(nats === undefined ? {} : { nats }),
    };
  }

  /** @param graceMs how long interrupted tasks have to be reported */
  async stop(graceMs: number): Promise<void> {
    await this.#board?.stop(AbortSignal.timeout(graceMs));
    this.#abort.abort();
    // A connection that is just being made may take its time; nobody waits for it any more.
    const gone = this.ended.catch(() => undefined); // told to whoever awaits it
    await Promise.race([gone, sleep(LEAVE_MS, undefined, { ref: false })]);
    await this.#workers?.close();
    await this.#bus?.drain();
    await this.#dispatcher.close();
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  return { promise, resolve, reject };
}
