import type { Agent } from 'node:http';
import { setTimeout as sleep, setImmediate as soon } from 'node:timers/promises';
import { ConsiliumError } from '@consilium/protocol';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { jwtAuthenticator, type NatsConnection, NatsConnectionImpl } from 'nats';
import type { Identity } from '../keys/identity.js';
import type { Logger } from '../log/index.js';
import { trustedCertificates } from '../net/certificates.js';
import { type ProxySettings, proxyFor } from '../net/proxy.js';
import type { Attempt } from './attempt.js';
import { type Backoff, createBackoff } from './backoff.js';
import { type BusCredentials, parseCreds } from './credentials.js';
import { JwtSource } from './jwt-source.js';
import { NatsBus } from './nats-bus.js';
import { toBusError } from './nats-errors.js';
import { type DialOptions, installTransports, isWebSocket } from './transport.js';
import type { Bus } from './types.js';
import type { WebSocketDial } from './web-socket-transport.js';

export interface ConnectOptions {
  /** `nats://host:4222`, `tls://…`, `ws://host/nats` or `wss://…`; one or several. */
  readonly servers: string | readonly string[];
  /** The key and its JWT; or `creds`, the content of a NATS credentials file. */
  readonly identity?: Identity;
  readonly jwt?: () => Promise<string> | string;
  readonly creds?: string;
  /** Private inbox of this identity, such as `_INBOX_<client>`; answers come in there. */
  readonly inboxPrefix: string;
  /** Shown in the server's list of connections and in logs. */
  readonly name: string;
  readonly log: Logger;
  /** PEM file with certificate authorities to trust besides Node's own. */
  readonly caFile?: string;
  /** For WebSocket addresses; TCP addresses are always reached directly. */
  readonly proxy?: ProxySettings;
  /** How long to try for the first connection, ms; Infinity never gives up. Default 30,000. */
  readonly firstConnectTimeout?: number;
  readonly signal?: AbortSignal;
  /** Longest delay between two attempts, ms. Default 10,000. */
  readonly maxDelay?: number;
  readonly now?: () => number;
  readonly random?: () => number;
}

const MAX_DENIALS = 3;

/**
 * Connects to NATS. Later losses are healed inside; only the first connection can fail.
 *
 * @throws ConsiliumError BUS_UNAVAILABLE (not reached within the time), BUS_DENIED (refused three
 *   times, each with a fresh JWT), TRUST_* and BAD_REQUEST for wrong credentials and settings, and
 *   whatever a denial by `jwt` throws.
 */
export async function connectBus(options: ConnectOptions): Promise<Bus> {
  installTransports();
  const { log, now = Date.now, random = Math.random, maxDelay = 10_000, signal } = options;
  const servers = typeof options.servers === 'string' ? [options.servers] : [...options.servers];
  for (const server of servers) requireAddress(server);
  const { identity, jwt } = credentialsOf(options);
  const source = new JwtSource(jwt, now);
  const backoff = createBackoff({ base: 100, cap: maxDelay, random });
  const attempt: Attempt = { failure: undefined, previous: undefined };
  const dial = dialOptions(options, servers, identity, source, backoff, attempt);

  const deadline = now() + (options.firstConnectTimeout ?? 30_000);
  let denials = 0;
  for (;;) {
    try {
      const connection = (await NatsConnectionImpl.connect(dial)) as NatsConnection;
      backoff.succeeded();
      log.debug({ server: connection.getServer(), version: connection.info?.version }, 'connected to NATS');
      const { name, inboxPrefix } = options;
      return new NatsBus({ connection, name, inboxPrefix, log, source, backoff, attempt, now });
    } catch (error) {
      const found = toBusError(attempt.failure ?? error, servers.join(', '));
      if (found.code === 'BUS_DENIED') {
        source.reject();
        denials += 1;
      }
      const permanent = found.code.startsWith('BUS_') ? denials >= MAX_DENIALS : found.http < 500;
      const over = now() + backoff.delay() > deadline;
      if (permanent || over || signal?.aborted === true) throw found;
      log.warn({ servers, reason: found.detail }, 'NATS is not reachable yet, trying again');
      await sleep(backoff.delay(), undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }
}

function dialOptions(
  options: ConnectOptions,
  servers: string[],
  identity: Identity,
  source: JwtSource,
  backoff: Backoff,
  attempt: Attempt,
): DialOptions {
  const ca = trustedCertificates(options.caFile);
  const seed = new TextEncoder().encode(identity.seed());
  const tls = servers.some((server) => server.startsWith('tls://'));
  return {
    servers,
    name: options.name,
    inboxPrefix: options.inboxPrefix,
    authenticator: jwtAuthenticator(() => source.current, seed),
    // The address list is what the configuration says: behind a gateway or in a container network
    // the addresses that servers gossip cannot be reached.
    ignoreClusterUpdates: true,
    resolve: !servers.some(isWebSocket),
    reconnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    waitOnFirstConnect: false,
    noAsyncTraces: true,
    pingInterval: 20_000,
    maxPingOut: 2,
    timeout: 20_000,
    reconnectDelayHandler: () => backoff.delay(),
    ...(tls ? { tls: ca === undefined ? {} : { ca: ca as never } } : {}),
    beforeDial: async () => {
      attempt.onAttempt?.(backoff.attempt());
      attempt.previous = attempt.failure ?? attempt.previous;
      attempt.failure = undefined;
      // Lets a refusal that just came in be seen before the JWT is used again.
      await soon();
      await source.refresh();
    },
    dialFailed: (error) => {
      attempt.failure = error;
    },
    webSocketDial: (server) => ({
      ...agentFor(server.src, options.proxy, ca),
      ...(ca === undefined ? {} : { ca }),
    }),
  };
}

function agentFor(
  address: string,
  proxy: ProxySettings | undefined,
  ca: string[] | undefined,
): WebSocketDial {
  const through = proxyFor(address, proxy);
  if (through === undefined) return {};
  const agent = new HttpsProxyAgent(through, ca === undefined ? {} : { ca });
  return { agent: agent as Agent };
}

function requireAddress(address: string): void {
  const known = URL.canParse(address) && ['nats:', 'tls:', 'ws:', 'wss:'].includes(new URL(address).protocol);
  if (known) return;
  const detail = `"${address}" is not nats://, tls://, ws:// or wss://.`;
  throw new ConsiliumError('BAD_REQUEST', detail, { where: 'NATS address' });
}

function credentialsOf(options: ConnectOptions): BusCredentials {
  if (options.creds !== undefined) return parseCreds(options.creds);
  if (options.identity !== undefined && options.jwt !== undefined) {
    return { identity: options.identity, jwt: options.jwt };
  }
  throw new TypeError('connectBus needs identity and jwt, or creds');
}
