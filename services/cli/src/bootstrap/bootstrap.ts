import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { bootstrapNats, loadOrCreateIdentity, type NatsBootstrap, serverConfig } from '@consilium/platform';
import { keptSecret, makeFolder, readIfThere, writeIfChanged } from './secret-files.js';

export interface AllianceOptions {
  /** Gets one folder for each service (see `deploy/README.md`). */
  readonly out: string;
  /** Names of the reducers' instances, such as `reducer-1`. */
  readonly reducers: readonly string[];
  readonly combiners: readonly string[];
  /** Where nats-server keeps its data, as nats-server sees it. */
  readonly natsDir: string;
  /** Bytes that JetStream may take on disk. Counts on the first run only: it is part of the account. */
  readonly maxFile: number;
  /** Of the object store; made when left out. */
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface Alliance {
  readonly out: string;
  /** Public keys. */
  readonly account: string;
  readonly reducerKey: string;
  /** Only until its hash is kept. */
  readonly adminToken: string | undefined;
  /**
   * Keeps the hash of the admin's token. To be called once the person has been told: a token that was told but
   * not kept is told anew, one that was kept but not told would be lost.
   */
  keepAdminToken(): Promise<void>;
}

/** Ports of nats-server in a container. */
const ports = { client: 4222, websocket: 9222 };

/**
 * Makes keys, credentials and configuration of an alliance whose services run apart, in containers. `trust/` holds
 * everything; the other folders are copies of what one service needs, and are made anew from it. A second call
 * keeps every key and adds what is missing, such as another combiner.
 * @throws ConsiliumError TRUST_BOOTSTRAP_DAMAGED, TRUST_KEY_READABLE, UP_DIR_UNWRITABLE
 */
export async function bootstrapAlliance(options: AllianceOptions): Promise<Alliance> {
  const out = resolve(options.out);
  const trust = join(out, 'trust');
  for (const name of ['trust', 'nats', 'reducer', 'store']) await makeFolder(join(out, name));
  const nats = await bootstrapNats({
    dir: join(trust, 'nats'),
    services: [...options.reducers, ...options.combiners],
    maxFile: options.maxFile,
    now: options.now,
  });
  await writeNats(options, out, nats);

  const reducerKeyFile = join(trust, 'reducer.nk');
  const { publicKey: reducerKey } = await loadOrCreateIdentity(reducerKeyFile, 'user');
  const reducer = join(out, 'reducer');
  await copy(reducerKeyFile, join(reducer, 'reducer.nk'));
  await copy(nats.accountSigningKeyFile, join(reducer, 'account-signing.nk'));
  await writeIfChanged(join(reducer, 'account.pub'), `${nats.account}\n`);
  for (const name of options.reducers) await copy(credsOf(nats, name), join(reducer, `${name}.creds`));
  for (const name of options.combiners) {
    const folder = join(out, 'combiners', name);
    await makeFolder(folder);
    await copy(credsOf(nats, name), join(folder, `${name}.creds`));
  }
  await writeStore(options, out);
  return { out, account: nats.account, reducerKey, ...(await adminToken(trust, reducer)) };
}

/** nats-server's own folder: public documents only, and the places it writes to. */
async function writeNats(options: AllianceOptions, out: string, nats: NatsBootstrap): Promise<void> {
  const folder = join(out, 'nats');
  const keys = join(nats.dir, 'keys');
  const jwt = async (name: string) => (await readFile(join(keys, name), 'utf8')).trim();
  const [operatorJwt, systemJwt] = await Promise.all([jwt('operator.jwt'), jwt('system-account.jwt')]);
  const accounts = { [nats.systemAccount]: systemJwt, [nats.account]: await jwt('account.jwt') };
  for (const name of ['jetstream', 'resolver', 'accounts']) await makeFolder(join(folder, name));
  for (const [key, text] of Object.entries(accounts)) {
    await writeIfChanged(join(folder, 'accounts', `${key}.jwt`), `${text}\n`);
  }
  await writeIfChanged(join(folder, 'operator.jwt'), `${operatorJwt}\n`);
  await writeIfChanged(join(folder, 'system-account.pub'), `${nats.systemAccount}\n`);
  const config = serverConfig({
    client: { host: '0.0.0.0', port: ports.client },
    websocket: { host: '0.0.0.0', port: ports.websocket },
    storeDir: join(options.natsDir, 'jetstream'),
    resolverDir: join(options.natsDir, 'resolver'),
    serverName: `consilium-${nats.operator.slice(-8).toLowerCase()}`,
    operatorJwt,
    systemAccount: nats.systemAccount,
    accounts,
    maxMemory: 256 * 2 ** 20,
    maxFile: options.maxFile,
  });
  await writeIfChanged(join(folder, 'nats-server.conf'), config);
}

/** Given credentials win over kept ones: the operator of the store has changed them. */
async function writeStore({ accessKey, secretKey }: AllianceOptions, out: string): Promise<void> {
  const keep = async (name: string, given: string | undefined, make: () => string): Promise<void> => {
    const master = join(out, 'trust', `store-${name}`);
    if (given !== undefined) await writeIfChanged(master, `${given}\n`);
    const value = given ?? (await keptSecret(master, make));
    await writeIfChanged(join(out, 'store', name), `${value}\n`);
  };
  await keep('access-key', accessKey, () => `consilium-${randomBytes(4).toString('hex')}`);
  await keep('secret-key', secretKey, () => randomBytes(30).toString('base64url'));
}

async function adminToken(
  trust: string,
  reducer: string,
): Promise<Pick<Alliance, 'adminToken' | 'keepAdminToken'>> {
  const master = join(trust, 'admin-token.sha256');
  const copied = join(reducer, 'admin-token.sha256');
  const kept = await readIfThere(master);
  if (kept !== undefined && kept !== '') {
    await copy(master, copied);
    return { adminToken: undefined, keepAdminToken: async () => undefined };
  }
  const token = `cat_${randomBytes(32).toString('base64url')}`;
  const hash = createHash('sha256').update(token).digest('hex');
  return {
    adminToken: token,
    keepAdminToken: async () => {
      await writeIfChanged(master, `${hash}\n`);
      await copy(master, copied);
    },
  };
}

function credsOf(nats: NatsBootstrap, name: string): string {
  const file = nats.services[name];
  if (file === undefined) throw new Error(`no credentials were made for ${name}`);
  return file;
}

async function copy(from: string, to: string): Promise<void> {
  await writeIfChanged(to, await readFile(from, 'utf8'));
}
