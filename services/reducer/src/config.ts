import { dirname, resolve } from 'node:path';
import {
  type Environment,
  readServiceConfig,
  readServiceConfigWithEnvironment,
  type StoreConfig,
  storeConfigSchema,
} from '@consilium/platform';
import { nameSchema } from '@consilium/protocol';
import { z } from 'zod';

/** The configuration file of a reducer (JSON). Paths are relative to the file's folder. */
export const reducerConfigSchema = z.strictObject({
  /** Name of this instance, such as reducer-1. */
  reducer: nameSchema,
  listen: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65_535).default(0) })
    .prefault({}),
  nats: z.strictObject({
    servers: z.array(z.string().min(1)).min(1),
    /** Addresses that clients use: WebSocket, through the gateway where there is one. */
    client_servers: z.array(z.string().min(1)).min(1),
    creds_file: z.string().min(1),
    ca_file: z.string().min(1).optional(),
    /** Public key of the account, and the file with its signing key, with which clients' JWTs are made. */
    account: z.string().min(1),
    account_signing_key_file: z.string().min(1),
    /** Accept a nats-server with known holes on an address that is not loopback. */
    allow_outdated_server: z.boolean().default(false),
  }),
  store: storeConfigSchema,
  /** Ed25519 seed of the reducer; its public key is the trail's trust anchor. Made if it is missing. */
  key_file: z.string().min(1),
  temp_dir: z.string().min(1),
  memory_mib: z.int().min(8).max(65_536).default(256),
  /** hex sha256 of the first admin's token. */
  admin_token_hash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  sync_seconds: z.number().positive().max(60).default(5),
  log_level: z.enum(['debug', 'info', 'warn', 'error']).optional(),
});
export type ReducerConfig = Omit<z.output<typeof reducerConfigSchema>, 'store'> & {
  readonly store: StoreConfig;
};
export type ReducerConfigInput = z.input<typeof reducerConfigSchema>;

/** @throws ConsiliumError BAD_REQUEST */
export async function readReducerConfig(file: string): Promise<ReducerConfig> {
  const config = (await readServiceConfig(reducerConfigSchema, file)) as ReducerConfig;
  return withPaths(config, dirname(resolve(file)));
}

/**
 * The same, with `CONSILIUM_…` variables over the file, or instead of it. Without a file paths are relative to
 * the working folder.
 * @throws ConsiliumError BAD_REQUEST, USAGE
 */
export async function readReducerConfigWithEnvironment(
  file: string | undefined,
  env: Environment,
): Promise<ReducerConfig> {
  const config = (await readServiceConfigWithEnvironment(reducerConfigSchema, file, env)) as ReducerConfig;
  return withPaths(config, file === undefined ? process.cwd() : dirname(resolve(file)));
}

function withPaths(config: ReducerConfig, folder: string): ReducerConfig {
  const beside = (name: string) => resolve(folder, name);
  const { nats } = config;
  return {
    ...config,
    nats: {
      ...nats,
      creds_file: beside(nats.creds_file),
      account_signing_key_file: beside(nats.account_signing_key_file),
      ...(nats.ca_file === undefined ? {} : { ca_file: beside(nats.ca_file) }),
    },
    key_file: beside(config.key_file),
    temp_dir: beside(config.temp_dir),
  };
}
