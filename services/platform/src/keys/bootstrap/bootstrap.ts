import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';
import { formatCreds } from '../../bus/credentials.js';
import { userJwtForService } from '../../bus/permissions.js';
import { replaceFile } from '../../lifecycle/replace-file.js';
import type { Identity } from '../identity.js';
import { type AccountLimits, unlimitedAccount } from '../jwt/claims.js';
import { decodeJwt } from '../jwt/decode.js';
import { accountJwt, operatorJwt, userJwt } from '../jwt/encode.js';
import { createSecretFile, loadIdentity, loadOrCreateIdentity } from '../key-file.js';
import { type ListenAddress, serverConfig, type TlsFiles } from './server-config.js';

export interface BootstrapOptions {
  /** Folder for everything: keys, credentials, configuration, JetStream's files. Made 0700. */
  readonly dir: string;
  /** Default 127.0.0.1, port chosen by the system. */
  readonly client?: Partial<ListenAddress>;
  /** Default 127.0.0.1, port chosen by the system; false for none. */
  readonly websocket?: Partial<ListenAddress> | false;
  readonly tls?: TlsFiles;
  /** Names of service instances that get a credentials file, such as `combiner-1`. */
  readonly services?: readonly string[];
  /** Bytes that streams and KV of the account may take. Defaults 256 MiB and 10 GiB. */
  readonly maxMemory?: number;
  readonly maxFile?: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What a bootstrapped folder holds. Only paths and public keys, except `accountSigningKey`. */
export interface NatsBootstrap {
  readonly dir: string;
  /** Public keys. */
  readonly operator: string;
  readonly systemAccount: string;
  readonly account: string;
  /** The one key that the reducer gets: it signs user JWTs of the account. */
  readonly accountSigningKey: Identity;
  readonly accountSigningKeyFile: string;
  readonly accountJwtFile: string;
  /** Credentials in the system account, for the revoker. */
  readonly systemCredsFile: string;
  /** Operator signing key, for the revoker: it can replace the account's JWT. */
  readonly operatorSigningKeyFile: string;
  readonly configFile: string;
  readonly portsDir: string;
  /** Service name to its credentials file. */
  readonly services: Readonly<Record<string, string>>;
}

const MIB = 1024 * 1024;

/**
 * Makes the trust of our own NATS before the server starts: operator with a signing key, system
 * account, account with limits and a signing key, credentials of services, server configuration.
 * A second call on the same folder keeps every key and JWT, adds what is missing (a new service),
 * and writes the configuration anew (addresses may have changed).
 *
 * @throws ConsiliumError TRUST_BOOTSTRAP_DAMAGED when some of the keys are gone but others are
 *   there, TRUST_KEY_READABLE, TRUST_BAD_KEY.
 */
export async function bootstrapNats(options: BootstrapOptions): Promise<NatsBootstrap> {
  const { now } = options;
  const dir = resolve(options.dir);
  const keys = join(dir, 'keys');
  await mkdir(keys, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const portsDir = join(dir, 'ports');
  await mkdir(portsDir, { recursive: true, mode: 0o700 });

  const found = await loadKeys(keys);
  const { operator, operatorSigning, system, account, accountSigning } = found;
  const { maxMemory = 256 * MIB, maxFile = 10 * 1024 * MIB } = options;
  const operatorText = await keep(join(keys, 'operator.jwt'), operator.publicKey, () =>
    operatorJwt(
      {
        subject: operator.publicKey,
        name: 'consilium',
        now,
        signingKeys: [operatorSigning.publicKey],
        systemAccount: system.publicKey,
      },
      operator,
    ),
  );
  const systemText = await keep(join(keys, 'system-account.jwt'), system.publicKey, () =>
    accountJwt({ subject: system.publicKey, name: 'SYS', now, limits: unlimitedAccount }, operatorSigning),
  );
  const accountFile = join(keys, 'account.jwt');
  const limits: AccountLimits = {
    ...unlimitedAccount,
    mem_storage: maxMemory,
    disk_storage: maxFile,
    streams: -1,
    consumer: -1,
  };
  const about = { subject: account.publicKey, name: 'consilium', now, limits };
  const accountText = await keep(accountFile, account.publicKey, () =>
    accountJwt({ ...about, signingKeys: [accountSigning.publicKey] }, operatorSigning),
  );

  const systemCredsFile = join(keys, 'system.creds');
  await keepCreds(systemCredsFile, join(keys, 'system-user.nk'), (user) =>
    userJwt(
      {
        subject: user.publicKey,
        name: 'revoker',
        now,
        account: system.publicKey,
        permissions: { pub: { allow: ['$SYS.REQ.>'] }, sub: { allow: ['_INBOX_revoker.>'] } },
      },
      system,
    ),
  );
  const services: Record<string, string> = {};
  for (const name of options.services ?? []) {
    const file = join(keys, `service-${name}.creds`);
    await keepCreds(file, join(keys, `service-${name}.nk`), (user) =>
      userJwtForService({
        name,
        publicKey: user.publicKey,
        account: account.publicKey,
        accountSigningKey: accountSigning,
        now,
      }),
    );
    services[name] = file;
  }

  const configFile = join(dir, 'nats-server.conf');
  const { websocket = {} } = options;
  await replaceFile(
    configFile,
    serverConfig({
      client: { host: '127.0.0.1', port: -1, ...options.client },
      ...(websocket === false ? {} : { websocket: { host: '127.0.0.1', port: -1, ...websocket } }),
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      storeDir: join(dir, 'jetstream'),
      resolverDir: join(dir, 'resolver'),
      portsDir,
      serverName: `consilium-${operator.publicKey.slice(-8).toLowerCase()}`,
      operatorJwt: operatorText,
      systemAccount: system.publicKey,
      accounts: { [system.publicKey]: systemText, [account.publicKey]: accountText },
      maxMemory,
      maxFile,
    }),
  );
  return {
    dir,
    operator: operator.publicKey,
    systemAccount: system.publicKey,
    account: account.publicKey,
    accountSigningKey: accountSigning,
    accountSigningKeyFile: join(keys, 'account-signing.nk'),
    accountJwtFile: accountFile,
    systemCredsFile,
    operatorSigningKeyFile: join(keys, 'operator-signing.nk'),
    configFile,
    portsDir,
    services,
  };
}

interface Keys {
  readonly operator: Identity;
  readonly operatorSigning: Identity;
  readonly system: Identity;
  readonly account: Identity;
  readonly accountSigning: Identity;
}

/** All keys or none: half a set means that a file was lost, and new keys would lock everybody out. */
async function loadKeys(dir: string): Promise<Keys> {
  const started = join(dir, 'complete');
  if (await isThere(started)) {
    const load = async (name: string): Promise<Identity> => {
      const path = join(dir, `${name}.nk`);
      try {
        return await loadIdentity(path);
      } catch (error) {
        if (!(error instanceof ConsiliumError) || error.code !== 'TRUST_KEY_MISSING') throw error;
        throw new ConsiliumError('TRUST_BOOTSTRAP_DAMAGED', 'A key file is gone.', {
          where: path,
          cause: error,
        });
      }
    };
    return {
      operator: await load('operator'),
      operatorSigning: await load('operator-signing'),
      system: await load('system-account'),
      account: await load('account'),
      accountSigning: await load('account-signing'),
    };
  }
  const keys = {
    operator: await loadOrCreateIdentity(join(dir, 'operator.nk'), 'operator'),
    operatorSigning: await loadOrCreateIdentity(join(dir, 'operator-signing.nk'), 'operator'),
    system: await loadOrCreateIdentity(join(dir, 'system-account.nk'), 'account'),
    account: await loadOrCreateIdentity(join(dir, 'account.nk'), 'account'),
    accountSigning: await loadOrCreateIdentity(join(dir, 'account-signing.nk'), 'account'),
  };
  await writeFile(started, '', { mode: 0o600 });
  return keys;
}

/** The JWT in the file, or a new one if there is none; it must be about that key. */
async function keep(file: string, subject: string, make: () => string): Promise<string> {
  if (!(await isThere(file))) await createSecretFile(file, `${make()}\n`);
  const jwt = (await readFile(file, 'utf8')).trim();
  if (decodeJwt(jwt, file).sub === subject) return jwt;
  throw new ConsiliumError('TRUST_BOOTSTRAP_DAMAGED', 'The JWT is for another key.', { where: file });
}

async function keepCreds(file: string, seedFile: string, make: (user: Identity) => string): Promise<void> {
  if (await isThere(file)) return;
  const user = await loadOrCreateIdentity(seedFile, 'user');
  await createSecretFile(file, formatCreds(make(user), user));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await readFile(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
