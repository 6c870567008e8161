import { type ChildProcess, execFileSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Bus,
  bootstrapNats,
  type ConnectOptions,
  clearPorts,
  connectBus,
  createIdentity,
  createLogger,
  defaultCacheDir,
  type Identity,
  isAtLeast,
  type Logger,
  type NatsAddresses,
  type NatsBootstrap,
  natsServerArgs,
  parseVersion,
  readAddresses,
  spawnNatsServer,
  type TlsFiles,
  userJwtForClient,
  userJwtForService,
} from '@consilium/platform';
import { serviceInbox } from '@consilium/protocol';

/** A nats-server binary that tests run against. */
export interface NatsBinary {
  readonly label: 'old' | 'new';
  readonly version: string;
  readonly path: string | undefined;
  /** Option for `describe` and `test`: false, or why the suite is skipped. */
  readonly skip: string | false;
}

const silent: Logger = createLogger({
  service: 'test',
  level: process.env.TEST_LOG ?? 'silent',
  pretty: false,
});

function isOld(version: string): boolean {
  const parsed = parseVersion(version);
  return parsed !== undefined && !isAtLeast(parsed, [2, 10, 0]);
}

function find(label: 'old' | 'new'): NatsBinary {
  const given = process.env[label === 'old' ? 'CONSILIUM_NATS_OLD' : 'CONSILIUM_NATS_NEW'];
  const path = given ?? fromCache(label);
  const version = path === undefined ? undefined : versionOf(path);
  if (path !== undefined && version !== undefined) return { label, version, path, skip: false };
  const what = label === 'old' ? 'nats-server 2.9' : 'a recent nats-server';
  return { label, version: label, path: undefined, skip: `needs ${what}: scripts/servers/nats.sh ${label}` };
}

function fromCache(label: 'old' | 'new'): string | undefined {
  const dir = defaultCacheDir();
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return undefined;
  }
  const versions = names
    .flatMap((name) => /^nats-server-(\d+\.\d+\.\d+)$/.exec(name)?.[1] ?? [])
    .filter((version) => isOld(version) === (label === 'old'))
    .sort((a, b) => (isAtLeast(parseVersion(a)!, parseVersion(b)!) ? -1 : 1));
  return versions[0] === undefined ? undefined : join(dir, `nats-server-${versions[0]}`);
}

function versionOf(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return parseVersion(execFileSync(path, ['--version'], { encoding: 'utf8' }))?.join('.');
  } catch {
    return undefined;
  }
}

/** Debian's 2.9 and the newest. Every suite runs on both. */
export const natsBinaries: readonly NatsBinary[] = [find('old'), find('new')];

/** The newest there is, for suites to which the version does not matter. */
export const anyNats: NatsBinary =
  natsBinaries.findLast((binary) => binary.skip === false) ?? natsBinaries[1]!;

/** A bootstrapped server in a folder of its own. */
export class TestNats {
  readonly binary: NatsBinary;
  readonly dir: string;
  readonly #tls: TlsFiles | undefined;
  bootstrap!: NatsBootstrap;
  addresses!: NatsAddresses;
  #child: ChildProcess | undefined;
  readonly #buses: Bus[] = [];

  private constructor(binary: NatsBinary, dir: string, tls: TlsFiles | undefined) {
    this.binary = binary;
    this.dir = dir;
    this.#tls = tls;
  }

  static async start(binary: NatsBinary, options: { tls?: TlsFiles } = {}): Promise<TestNats> {
    const dir = await mkdtemp(join(tmpdir(), 'consilium-nats-'));
    const server = new TestNats(binary, dir, options.tls);
    await server.#boot({});
    return server;
  }

  async #boot(ports: { client?: { port: number }; websocket?: { port: number } }): Promise<void> {
    const tls = this.#tls === undefined ? {} : { tls: this.#tls };
    this.bootstrap = await bootstrapNats({ dir: this.dir, now: Date.now(), ...tls, ...ports });
    await clearPorts(this.bootstrap.portsDir);
    // Under the wrapper, so that a test process that is killed leaves no server behind.
    const child = spawnNatsServer(this.binary.path!, natsServerArgs(this.bootstrap));
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-8_000);
    });
    const ended = new AbortController();
    child.on('exit', () => ended.abort());
    this.#child = child;
    try {
      this.addresses = await readAddresses(this.bootstrap.portsDir, { signal: ended.signal });
    } catch (error) {
      throw new Error(`nats-server ${this.binary.version} did not start:\n${log}`, { cause: error });
    }
  }

  get url(): string {
    return this.addresses.client;
  }

  get webSocketUrl(): string {
    return this.addresses.websocket!;
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    process.kill(Number(await readFile(`${this.bootstrap.configFile}.pid`, 'utf8')), 'SIGKILL');
    await gone;
  }

  /** Starts it again on the same folder and the same ports. */
  async restart(): Promise<void> {
    const port = (address: string): { port: number } => ({ port: Number(new URL(address).port) });
    await this.#boot({ client: port(this.url), websocket: port(this.webSocketUrl) });
  }

  /** Connects as a client that has just enrolled. JWTs live ten minutes unless said otherwise. */
  async client(clientId: string, options: Partial<ConnectOptions> & { ttl?: number } = {}): Promise<Bus> {
    const identity = options.identity ?? createIdentity('user');
    return this.#connect({
      identity,
      jwt: () => this.clientJwt(clientId, identity, options.ttl),
      inboxPrefix: `_INBOX_${clientId}`,
      name: clientId,
      ...options,
    });
  }

  clientJwt(clientId: string, identity: Identity, ttl?: number): string {
    return userJwtForClient({
      clientId,
      publicKey: identity.publicKey,
      account: this.bootstrap.account,
      accountSigningKey: this.bootstrap.accountSigningKey,
      now: Date.now(),
      ...(ttl === undefined ? {} : { ttl }),
    });
  }

  /** Connects as a service: reducer or combiner. */
  async service(name: string, options: Partial<ConnectOptions> & { ttl?: number } = {}): Promise<Bus> {
    const identity = createIdentity('user');
    const { account, accountSigningKey } = this.bootstrap;
    const ttl = options.ttl === undefined ? {} : { ttl: options.ttl };
    return this.#connect({
      identity,
      jwt: () =>
        userJwtForService({
          name,
          publicKey: identity.publicKey,
          account,
          accountSigningKey,
          now: Date.now(),
          ...ttl,
        }),
      inboxPrefix: serviceInbox(name),
      name,
      ...options,
    });
  }

  async #connect(
    options: Partial<ConnectOptions> & Pick<ConnectOptions, 'name' | 'inboxPrefix'>,
  ): Promise<Bus> {
    const bus = await connectBus({ servers: this.url, log: silent, maxDelay: 500, ...options });
    this.#buses.push(bus);
    return bus;
  }

  /** Closes every connection, ends the server, removes the folder. */
  async stop(): Promise<void> {
    await Promise.all(this.#buses.map((bus) => bus.close()));
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}
