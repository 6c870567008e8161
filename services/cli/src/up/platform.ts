import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  bootstrapNats,
  clearPorts,
  createSecretFile,
  type FoundNatsServer,
  findNatsServer,
  type Logger,
  loadOrCreateIdentity,
  type NatsBootstrap,
  natsServerArgs,
  natsWrapper,
  readAddresses,
  replaceFile,
  type StoreConfig,
} from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import type { ChildSpec } from './child.js';
import { Supervisor, type SupervisorEvent } from './supervisor.js';

export interface PlatformOptions {
  /** Folder that holds everything; the next start on the same folder goes on there. */
  readonly dir: string;
  readonly combiners: number;
  /** Port of the reducer's API; chosen once and kept when left out. */
  readonly port?: number;
  /** Instead of the filesystem store. */
  readonly store?: StoreConfig;
  /** nats-server to use; found or fetched when left out. */
  readonly natsServer?: string;
  readonly syncSeconds?: number;
  readonly log: Logger;
  readonly onEvent: (event: SupervisorEvent) => void;
}

export interface RunningPlatform {
  readonly url: string;
  readonly dir: string;
  readonly reducerKey: string;
  /** The first admin's token: only on the start that made it. */
  readonly adminToken: string | undefined;
  readonly nats: { readonly binary: string; readonly origin: string; readonly version: string };
  /** Where the trail lies. */
  readonly store: string;
  pids(): Record<string, number>;
  stop(): Promise<void>;
}

interface Ports {
  readonly api: number;
  readonly nats: number;
  readonly natsWebSocket: number;
  readonly store: number;
}

/**
 * Starts the whole platform on this machine: nats-server, the filesystem object store (unless another store is
 * given), a reducer and combiners. Loopback only. Keys, tokens and ports are made on the first start and kept.
 * @throws UP_NO_NATS, UP_CHILD_FAILED, UP_PORT_TAKEN
 */
export async function startPlatform(options: PlatformOptions): Promise<RunningPlatform> {
  const dir = resolve(options.dir);
  const folders = ['logs', 'config', 'keys', 'tmp'].map((name) => join(dir, name));
  for (const folder of [dir, ...folders]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await natsServerFor(options);
  const ports = await keptPorts(dir, options);
  const combiners = Array.from({ length: options.combiners }, (_, index) => `combiner-${index + 1}`);
  const nats = await bootstrapNats({
    dir: join(dir, 'nats'),
    client: { host: '127.0.0.1', port: ports.nats },
    websocket: { host: '127.0.0.1', port: ports.natsWebSocket },
    services: ['reducer-1', ...combiners],
    now: Date.now(),
  });
  const admin = await adminToken(dir);
  const reducerKeyFile = join(dir, 'keys', 'reducer.nk');
  const { publicKey: reducerKey } = await loadOrCreateIdentity(reducerKeyFile, 'user');
  const storeKeyFile = join(dir, 'keys', 'store.key');
  const storeKey = await keptSecret(storeKeyFile);
  const ownStore: StoreConfig = { kind: 'filesystem', url: `http://127.0.0.1:${ports.store}`, key: storeKey };
  const store = options.store ?? ownStore;

  const supervisor = new Supervisor({ onEvent: options.onEvent });
  try {
    await supervisor.start(natsSpec(dir, found, nats));
    if (options.store === undefined) await supervisor.start(storeSpec(dir, ports.store, storeKeyFile));
    const servers = [`nats://127.0.0.1:${ports.nats}`];
    const common = { store, temp_dir: join(dir, 'tmp'), sync_seconds: options.syncSeconds ?? 5 };
    const reducer = {
      ...common,
      reducer: 'reducer-1',
      listen: { host: '127.0.0.1', port: ports.api },
      nats: {
        servers,
        client_servers: [`ws://127.0.0.1:${ports.natsWebSocket}`],
        creds_file: nats.services['reducer-1'],
        account: nats.account,
        account_signing_key_file: nats.accountSigningKeyFile,
      },
      key_file: reducerKeyFile,
      admin_token_hash: admin.hash,
    };
    await supervisor.start(await serviceSpec(dir, 'reducer-1', '@consilium/reducer/main', reducer));
    for (const combiner of combiners) {
      const config = { ...common, combiner, nats: { servers, creds_file: nats.services[combiner] } };
      await supervisor.start(await serviceSpec(dir, combiner, '@consilium/combiner/main', config));
    }
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  return {
    url: `http://127.0.0.1:${ports.api}`,
    dir,
    reducerKey,
    adminToken: admin.token,
    nats: { binary: found.path, origin: found.origin, version: found.version },
    store: store.kind === 'filesystem' ? join(dir, 'store') : store.endpoint,
    pids: () => supervisor.pids(),
    stop: () => supervisor.stop(),
  };
}

function natsServerFor({ natsServer, log }: PlatformOptions): Promise<FoundNatsServer> {
  return findNatsServer({ log, ...(natsServer === undefined ? {} : { file: resolve(natsServer) }) });
}

function natsSpec(dir: string, found: FoundNatsServer, nats: NatsBootstrap): ChildSpec {
  return {
    name: 'nats-server',
    command: process.execPath,
    args: [natsWrapper, found.path, ...natsServerArgs(nats)],
    logFile: join(dir, 'logs', 'nats-server.log'),
    ready: async () => {
      await clearPorts(nats.portsDir);
      await readAddresses(nats.portsDir);
    },
  };
}

function storeSpec(dir: string, port: number, keyFile: string): ChildSpec {
  const root = join(dir, 'store');
  return {
    name: 'store-server',
    command: process.execPath,
    args: [
      programOf('@consilium/store-server/main'),
      ...['--root', root, '--port', String(port), '--key-file', keyFile, '--die-with-parent'],
    ],
    logFile: join(dir, 'logs', 'store-server.log'),
    ready: untilReady,
  };
}

async function serviceSpec(dir: string, name: string, module: string, config: unknown): Promise<ChildSpec> {
  const file = join(dir, 'config', `${name}.json`);
  await replaceFile(file, `${JSON.stringify(config, null, 2)}\n`);
  return {
    name,
    command: process.execPath,
    args: [programOf(module), '--config', file, '--die-with-parent'],
    logFile: join(dir, 'logs', `${name}.log`),
    ready: untilReady,
  };
}

function programOf(module: string): string {
  return fileURLToPath(import.meta.resolve(module));
}

async function untilReady(line: () => Promise<string>): Promise<void> {
  for (;;) {
    const text = await line();
    if (text.startsWith('{') && (JSON.parse(text) as { ready?: boolean }).ready === true) return;
  }
}

/** Milliseconds: more than services take to stop, in order or by force. */
const leftoverPatience = 25_000;

/** Ports stay the same over restarts: addresses of a session's clients must not change under them. */
async function keptPorts(dir: string, options: PlatformOptions): Promise<Ports> {
  const file = join(dir, 'ports.json');
  const kept = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Partial<Ports>;
  const ports: Ports = {
    api: options.port ?? kept.api ?? (await freePort()),
    nats: kept.nats ?? (await freePort()),
    natsWebSocket: kept.natsWebSocket ?? (await freePort()),
    store: kept.store ?? (await freePort()),
  };
  for (const [name, port] of Object.entries(ports)) {
    // Programs of a supervisor that was killed end by themselves, in order, and that takes them a while.
    const patience = kept[name as keyof Ports] === port ? leftoverPatience : 0;
    if (await becomesFree(port, patience)) continue;
    throw new ConsiliumError('UP_PORT_TAKEN', `Port ${port} (${name}) is in use by another program.`, {
      where: file,
    });
  }
  await replaceFile(file, `${JSON.stringify(ports, null, 2)}\n`);
  return ports;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function becomesFree(port: number, patience: number): Promise<boolean> {
  for (const end = Date.now() + patience; !(await isFree(port)); ) {
    if (Date.now() >= end) return false;
    await sleep(200);
  }
  return true;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((done) => {
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
}

/** The admin's token exists outside of the person's hands only as a hash. */
async function adminToken(dir: string): Promise<{ hash: string; token: string | undefined }> {
  const file = join(dir, 'keys', 'admin-token.sha256');
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (kept !== '') return { hash: kept, token: undefined };
  const token = `cat_${randomBytes(32).toString('base64url')}`;
  const hash = createHash('sha256').update(token).digest('hex');
  await createSecretFile(file, `${hash}\n`);
  return { hash, token };
}

async function keptSecret(file: string): Promise<string> {
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (kept !== '') return kept;
  const secret = randomBytes(32).toString('base64url');
  await createSecretFile(file, `${secret}\n`);
  return secret;
}
