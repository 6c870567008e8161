import { z } from 'zod';
import { joinTokenSchema } from './enrolment.js';
import { nameSchema, publicKeySchema } from './ids.js';

const size = z.string().regex(/^\d+(\.\d+)?\s*(B|KB|MB|GB|KiB|MiB|GiB)?$/i, 'expected a size such as 4 GiB');

/** What this site allows to run on its data. */
export const policySchema = z.strictObject({
  /** Publishers whose packages may run (public keys). Empty: none by signer. */
  allowed_signers: z.array(publicKeySchema).default([]),
  /** Package archives that may run whoever signed them. */
  allowed_digests: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)).default([]),
  /** any: take what the machine gives and say so; sandbox: refuse tasks without bubblewrap. */
  isolation: z.enum(['any', 'sandbox']).default('any'),
  network: z.enum(['none', 'any']).default('none'),
  memory: size.optional(),
  cpus: z.number().positive().optional(),
  /** Longest run of one task. */
  task_timeout_seconds: z
    .number()
    .positive()
    .default(6 * 3600),
});
export type Policy = z.infer<typeof policySchema>;

/** `client.yaml`. Paths are relative to the file's folder. */
export const clientConfigSchema = z.strictObject({
  /** The one address of the alliance's reducer. */
  url: z.url({ protocol: /^https?$/, error: 'expected an http or https address' }),
  name: nameSchema,
  /** One-time join token; not needed any more once this key has enrolled. */
  token: joinTokenSchema.optional(),
  data: z.strictObject({
    path: z.string().min(1),
    /** What the manifest calls this data set. */
    name: z.string().min(1).max(200),
  }),
  /** Key, cache, private package state and audit log live here. */
  state: z.string().min(1).default('./consilium-state'),
  policy: policySchema.prefault({}),
  /** Reducers whose tasks this site accepts (their trail key). Left out: the first one seen is kept. */
  reducer_key: publicKeySchema.optional(),
  preferred_combiner: nameSchema.optional(),
  accelerator: z.enum(['auto', 'cpu', 'gpu', 'required']).default('auto'),
  /** HTTP CONNECT proxy; HTTPS_PROXY and NO_PROXY are honoured when this is left out. */
  proxy: z.url().optional(),
  no_proxy: z.string().optional(),
  /** Extra certificate authority (PEM). */
  ca_file: z.string().optional(),
  /** Keep a worker process warm for a session. */
  warm_worker: z.boolean().default(true),
  /** Tasks that may run at the same time (of different sessions); others wait. */
  parallel_tasks: z.int().positive().max(64).default(1),
  /** Disk space for models and packages that were downloaded; the least recently used go first. */
  cache_size: size.default('20 GiB'),
  log_level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  /** Where `GET /health` and `GET /ready` answer on this machine; nothing listens when it is left out. */
  health: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65_535) })
    .optional(),
});
export type ClientConfig = z.infer<typeof clientConfigSchema>;

/**
 * Keys of FEDn's client.yaml (all versions seen) and what becomes of each here: the name of our key,
 * or the reason why it is ignored. An ignored key is reported by the client, never silently dropped.
 */
export const fednClientKeys: Record<string, { to: string } | { ignored: string }> = {
  discover_host: { to: 'url' },
  discover_port: { to: 'url' },
  api_url: { to: 'url' },
  api_port: { to: 'url' },
  token: { to: 'token' },
  name: { to: 'name' },
  preferred_combiner: { to: 'preferred_combiner' },
  client_id: { ignored: 'a client is known by its name and its key' },
  network_id: { ignored: 'the address says which alliance is meant' },
  trainer: { ignored: 'every client trains when it is asked to' },
  validator: { ignored: 'every client validates when it is asked to' },
  package_checksum: { ignored: 'packages are signed; list digests in policy.allowed_digests' },
  combiner: { ignored: 'the reducer assigns the combiner; use preferred_combiner' },
  combiner_port: { ignored: 'the reducer assigns the combiner' },
};
