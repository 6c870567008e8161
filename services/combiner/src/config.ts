import { dirname, resolve } from 'node:path';
import {
  type Environment,
  parseServiceConfig,
  readServiceConfig,
  readServiceConfigWithEnvironment,
  type StoreConfig,
  storeConfigSchema,
} from '@consilium/platform';
import { nameSchema, reducerHub } from '@consilium/protocol';
import { z } from 'zod';

/** The configuration file of a combiner (JSON). Paths are relative to the file's folder. */
export const combinerConfigSchema = z.strictObject({
  combiner: nameSchema.refine((name) => name !== reducerHub, `no combiner may be called "${reducerHub}"`),
  nats: z.strictObject({
    servers: z.array(z.string().min(1)).min(1),
    creds_file: z.string().min(1),
    ca_file: z.string().min(1).optional(),
  }),
  /** As `StoreConfig` of the platform. */
  store: storeConfigSchema,
  /** For partials and large updates on their way; a folder of this combiner's own is made below it. */
  temp_dir: z.string().min(1),
  /** Bound on the memory of aggregation, MiB, over all threads. */
  memory_mib: z.int().min(8).max(65_536).default(256),
  /** Threads that check and aggregate updates. */
  threads: z.int().min(1).max(8).default(2),
  /** How often clients sync; the reducer tells them. */
  sync_seconds: z.number().positive().max(60).default(5),
  /** An update may be larger than its base model by this factor. */
  update_size_factor: z.number().min(1).max(100).default(2),
  url_seconds: z.int().min(30).max(86_400).default(900),
  log_level: z.enum(['debug', 'info', 'warn', 'error']).optional(),
  /** Where `GET /health` and `GET /ready` answer; nothing listens when it is left out. */
  health: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65_535).default(0) })
    .optional(),
});
type ParsedConfig = z.infer<typeof combinerConfigSchema>;
export type CombinerConfig = Omit<ParsedConfig, 'store'> & { readonly store: StoreConfig };
export type CombinerConfigInput = z.input<typeof combinerConfigSchema>;

/**
 * Fills in the defaults and checks every field.
 * @param where file or caller, for the error
 * @throws ConsiliumError BAD_REQUEST naming the first field that is wrong
 */
export function parseCombinerConfig(value: unknown, where: string): CombinerConfig {
  // Optional members are absent, not undefined: zod adds none that the file does not have.
  return parseServiceConfig(combinerConfigSchema, value, where) as CombinerConfig;
}

/** @throws ConsiliumError BAD_REQUEST when the file cannot be read, is no JSON or does not fit */
export async function readCombinerConfig(file: string): Promise<CombinerConfig> {
  const path = resolve(file);
  const config = (await readServiceConfig(combinerConfigSchema, path)) as CombinerConfig;
  return withPaths(config, dirname(path));
}

/**
 * The same, with `CONSILIUM_…` variables over the file, or instead of it. Without a file paths are relative to
 * the working folder.
 * @throws ConsiliumError BAD_REQUEST, USAGE
 */
export async function readCombinerConfigWithEnvironment(
  file: string | undefined,
  env: Environment,
): Promise<CombinerConfig> {
  const config = (await readServiceConfigWithEnvironment(combinerConfigSchema, file, env)) as CombinerConfig;
  return withPaths(config, file === undefined ? process.cwd() : dirname(resolve(file)));
}

function withPaths(config: CombinerConfig, folder: string): CombinerConfig {
  const beside = (name: string): string => resolve(folder, name);
  const { ca_file, creds_file } = config.nats;
  const ca = ca_file === undefined ? {} : { ca_file: beside(ca_file) };
  return {
    ...config,
    nats: { ...config.nats, creds_file: beside(creds_file), ...ca },
    temp_dir: beside(config.temp_dir),
  };
}
