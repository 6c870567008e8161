import { z } from 'zod';
import { nameSchema, semverSchema } from './ids.js';
import { objectRefSchema } from './objects.js';

const fraction = z.number().min(0).max(1);
const seconds = z
  .number()
  .positive()
  .max(30 * 24 * 3600);

/** Who takes part in a phase: max(fraction × available, minimum); fraction 0 switches the phase off. */
const samplingSchema = z.strictObject({
  fraction: fraction.default(1),
  minimum: z.int().nonnegative().max(100_000).default(1),
});

/**
 * What `session.yaml` declares, with every default written out. Field names are the same in the
 * file, in the API, with `--set` and in the manifest.
 */
export const sessionSpecSchema = z.strictObject({
  name: nameSchema.optional(),
  package: z.strictObject({ name: nameSchema, version: semverSchema }),
  rounds: z.int().positive().max(100_000).default(10),
  strategy: z
    .strictObject({
      name: z.enum(['fedavg']).default('fedavg'),
      /** examples: by num_examples across the whole federation; equal: every site counts once. */
      weighting: z.enum(['examples', 'equal']).default('examples'),
    })
    .prefault({}),
  training: samplingSchema.prefault({}),
  evaluation: samplingSchema.prefault({}),
  /** Clients that must be connected before a round starts. */
  clients_required: z.int().positive().max(100_000).default(1),
  /** Updates that must have arrived for a round to commit. */
  quorum: z.int().positive().max(100_000).default(1),
  /** Seconds after which a training or validation phase closes with what it has. */
  round_deadline: seconds.default(3600),
  /** How often a round below its quorum is tried again before the session pauses. */
  retries: z.int().nonnegative().max(1000).default(2),
  /** Which validation metric decides the best model. Left out: the package's primary metric. */
  selection: z
    .strictObject({ metric: z.string().min(1).max(100), direction: z.enum(['maximize', 'minimize']) })
    .optional(),
  /** Client configuration, checked against the package's config schema. */
  config: z.record(z.string(), z.unknown()).default({}),
  /** Seed of every random choice of the session (sampling, clients' seeds). */
  random_seed: z
    .int()
    .nonnegative()
    .max(2 ** 31 - 1)
    .default(0),
  /** Keep the updates after the commit, so that `trail verify` can recompute each model. */
  keep_updates: z.boolean().default(true),
  /** Refuse an update whose difference from the base has a larger L2 norm. */
  max_update_norm: z.number().positive().optional(),
  /** Refuse an update that claims more examples than this. */
  max_examples: z
    .int()
    .positive()
    .max(2 ** 31 - 1)
    .default(10_000_000),
});
export type SessionSpec = z.infer<typeof sessionSpecSchema>;
export type SessionSpecInput = z.input<typeof sessionSpecSchema>;

/** Body of `POST /api/v1/sessions`. The seed is an uploaded npz (the package's `init` made it). */
export const sessionCreateSchema = z.strictObject({
  spec: sessionSpecSchema,
  seed: z.strictObject({ digest: objectRefSchema.shape.digest, size: z.int().positive() }),
});
export type SessionCreate = z.infer<typeof sessionCreateSchema>;
