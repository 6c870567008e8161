import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Bus,
  CLIENT_JWT_TTL,
  connectBus,
  type Logger,
  loadIdentity,
  loadOrCreateIdentity,
  memoryNonceCache,
  openStream,
  requireServer,
  storeFromConfig,
  userJwtForClient,
} from '@consilium/platform';
import {
  buckets,
  ConsiliumError,
  type Order,
  type Report,
  serviceInbox,
  streams,
  subjects,
} from '@consilium/protocol';
import type { GuardedRoute } from './api/auth.js';
import type { ApiContext, ClientAccess } from './api/context.js';
import { ensureAdmin } from './api/people.js';
import { type Api, buildApi } from './api/server.js';
import { Audit } from './audit.js';
import type { ReducerConfig } from './config.js';
import { SessionEngine } from './engine/engine.js';
import { Fleet } from './engine/fleet.js';
import { requireSameKey } from './engine/same-key.js';
import { answerHellos } from './hello.js';
import { Mirror } from './mirror.js';
import { PackageRegistry } from './registry/registry.js';
import { openState, readable } from './state.js';

export interface RunningReducer {
  /** Address of the HTTP API. */
  readonly url: string;
  readonly publicKey: string;
  /** Every route of the API and who may call it. */
  readonly routes: readonly GuardedRoute[];
  /** Whether this reducer moves the sessions now; of several, one does. */
  isLeader(): boolean;
  stop(): Promise<void>;
}

export interface ReducerDeps {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

/** Milliseconds that the stream of session events keeps them. */
const eventsMaxAge = 30 * 24 * 3600 * 1000;

/**
 * Starts a reducer: API, enrolment, registry, and the engine that moves sessions while it holds the lease.
 * @throws TRUST_OTHER_REDUCER_KEY, UP_PORT_TAKEN, BUS_UNAVAILABLE, BUS_SERVER_OUTDATED, STORE_NO_CONDITIONAL_WRITES and others of bus and store
 */
export async function startReducer(config: ReducerConfig, deps: ReducerDeps): Promise<RunningReducer> {
  const { log, signal, now = Date.now } = deps;
  const undo: (() => Promise<unknown>)[] = [];
  let connected: Bus | undefined;
  const stop = async () => {
    // Without a connection nothing can be finished, and what waits for one would keep the others from ending.
    if (connected !== undefined && connected.state !== 'connected') await connected.close();
    const failures: unknown[] = [];
    for (const close of undo.splice(0).reverse()) await close().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    await mkdir(config.temp_dir, { recursive: true, mode: 0o700 });
    const reductions = join(config.temp_dir, `${config.reducer}-reductions`);
    await rm(reductions, { recursive: true, force: true });
    const identity = await loadOrCreateIdentity(config.key_file, 'user');
    const store = await storeFromConfig(config.store);
    undo.push(() => store.close());
    await store.ensureBuckets(Object.values(buckets));
    await store.probe(buckets.work);

    const bus = await connect(config, log, signal);
    connected = bus;
    undo.push(() => bus.drain());
    const { servers, allow_outdated_server: allowOutdated } = config.nats;
    for (const address of servers) {
      const open = requireServer(bus.serverVersion, address, { allowOutdated });
      if (open.length > 0)
        log.warn({ address, version: bus.serverVersion, open }, 'nats-server has known holes');
    }

    const state = await openState(bus);
    const events = await openStream(bus, { ...streams.events, maxAge: eventsMaxAge });
    const audit = new Audit(await openStream(bus, streams.audit), config.reducer, now);
    const { listed } = state;
    await requireSameKey({ store, identity }, await readable(listed.sessions));
    const mirrors = {
      clients: new Mirror(listed.clients),
      presence: new Mirror(listed.presence),
      combiners: new Mirror(listed.combiners),
      orders: new Mirror<Order>(listed.orders),
      reports: new Mirror<Report>(listed.reports),
      sessions: new Mirror(listed.sessions),
    };
    const fleet = new Fleet(mirrors.clients, mirrors.presence, mirrors.combiners);
    const engine = new SessionEngine({
      id: config.reducer,
      state,
      writer: { store, identity },
      fleet,
      sessions: mirrors.sessions,
      orders: mirrors.orders,
      reports: mirrors.reports,
      reduction: { store: config.store, tmpDir: reductions, memoryBytes: config.memory_mib * 2 ** 20 },
      publish: (event) => bus.publish(subjects.event(event.session), event),
      log,
      now,
    });
    for (const mirror of Object.values(mirrors)) {
      undo.push(() => mirror.stop());
      await mirror.start(() => engine.poke(), log);
    }
    const context: ApiContext = {
      state,
      store,
      registry: new PackageRegistry(store, join(config.temp_dir, `${config.reducer}-packages`)),
      fleet,
      engine,
      events,
      audit,
      identity,
      nats: await clientAccess(config, now),
      publish: (event) => bus.publish(subjects.event(event.session), event),
      nonces: memoryNonceCache(now),
      isReady: () => bus.state === 'connected',
      log,
      now,
    };
    if (config.admin_token_hash !== undefined) await ensureAdmin(context, config.admin_token_hash);
    const hellos = answerHellos({ bus, state, fleet, syncSeconds: config.sync_seconds, log });
    undo.push(() => hellos.stop());
    const { api, routes } = await buildApi(context);
    undo.push(() => api.close());
    const url = await listen(api, config.listen);
    engine.start();
    undo.push(() => engine.stop());
    log.info({ url, key: identity.publicKey }, 'reducer is up');
    return { url, publicKey: identity.publicKey, routes, isLeader: () => engine.isLeader, stop };
  } catch (error) {
    await stop().catch((other) => log.warn({ err: other }, 'could not end everything'));
    throw error;
  }
}

async function connect(config: ReducerConfig, log: Logger, signal: AbortSignal): Promise<Bus> {
  const { servers, creds_file, ca_file } = config.nats;
  return connectBus({
    servers,
    creds: await readFile(creds_file, 'utf8'),
    inboxPrefix: serviceInbox(config.reducer),
    name: config.reducer,
    log,
    signal,
    ...(ca_file === undefined ? {} : { caFile: ca_file }),
  });
}

async function clientAccess(config: ReducerConfig, now: () => number): Promise<ClientAccess> {
  const { client_servers, account, account_signing_key_file } = config.nats;
  const accountSigningKey = await loadIdentity(account_signing_key_file);
  return {
    urls: client_servers,
    jwtFor: async (clientId, publicKey) => {
      const issued = now();
      const jwt = userJwtForClient({ clientId, publicKey, account, accountSigningKey, now: issued });
      return { jwt, expiresAt: issued + CLIENT_JWT_TTL };
    },
  };
}

/** @throws UP_PORT_TAKEN */
async function listen(api: Api, where: ReducerConfig['listen']): Promise<string> {
  try {
    return await api.listen(where);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
    throw new ConsiliumError('UP_PORT_TAKEN', `${where.host}:${where.port} is in use by another program.`, {
      where: 'listen',
      fix: 'Stop that program, or give another port in the configuration of the reducer.',
      cause: error,
    });
  }
}
