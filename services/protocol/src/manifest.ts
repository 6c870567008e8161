import { z } from 'zod';
import {
  digestSchema,
  isoTimeSchema,
  modelIdSchema,
  nameSchema,
  publicKeySchema,
  semverSchema,
  signatureSchema,
  taskKindSchema,
} from './ids.js';
import { sessionSpecSchema } from './session-spec.js';

/** A site's name for its data set, with counts and the digest of its file list; no patient data. */
export const dataSetSchema = z.strictObject({
  name: z.string().min(1).max(200),
  files: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** sha256 over the sorted lines `<relative path> <size> <sha256>`. */
  digest: digestSchema,
});
export type DataSet = z.infer<typeof dataSetSchema>;

export const metricsSchema = z.record(z.string().min(1).max(100), z.number());
export type Metrics = z.infer<typeof metricsSchema>;

/**
 * Metrics as one site states them. Bounded in number, since they go into every manifest; and in size, so that
 * no mean of them overflows or is a whole number that JSON does not carry exactly.
 */
export const largestMetric = 1e15;
export const mostMetrics = 100;
const claimedMetricsSchema = z
  .record(z.string().min(1).max(100), z.number().min(-largestMetric).max(largestMetric))
  .refine((metrics) => Object.keys(metrics).length <= mostMetrics, `expected at most ${mostMetrics} metrics`);

/** How the site's computation ran. */
export const executionSchema = z.strictObject({
  backend: z.string().max(100),
  device: z.string().max(200).optional(),
  isolation: z.string().max(100),
  duration_ms: z.number().nonnegative(),
  synthetic: z.boolean().optional(),
});
export type Execution = z.infer<typeof executionSchema>;

/**
 * What a site signs about its result (purpose `task-result`): exactly which bytes, for which round of
 * which session, starting from which model, on how many examples of which data.
 */
export const resultClaimSchema = z.strictObject({
  schema: z.literal(1),
  kind: taskKindSchema,
  session: nameSchema,
  round: z.int().positive(),
  attempt: z.int().nonnegative(),
  client: nameSchema,
  /** Digest of the weights the task started from. */
  base: digestSchema,
  /** Digest of the package archive that ran. */
  package: digestSchema,
  /** train: digest of the update in the store; validate: absent. */
  update: digestSchema.optional(),
  num_examples: z
    .int()
    .nonnegative()
    .max(2 ** 31 - 1),
  metrics: claimedMetricsSchema,
  data_set: dataSetSchema,
  execution: executionSchema,
  completed_at: isoTimeSchema,
});
export type ResultClaim = z.infer<typeof resultClaimSchema>;

export const signedClaimSchema = z.strictObject({
  claim: resultClaimSchema,
  key: publicKeySchema,
  signature: signatureSchema,
});
export type SignedClaim = z.infer<typeof signedClaimSchema>;

/** One site's part in a model: the claim it signed, the weight it got, where its update lies. */
export const contributionSchema = z.strictObject({
  client: nameSchema,
  combiner: nameSchema,
  weight: z.int().positive(),
  update_key: z.string(),
  update_size: z.int().positive(),
  signed: signedClaimSchema,
});
export type Contribution = z.infer<typeof contributionSchema>;

/** A site that was asked and did not count, with the reason. */
export const absenceSchema = z.strictObject({
  client: nameSchema,
  kind: taskKindSchema,
  code: z.string(),
  detail: z.string().max(4000),
});
export type Absence = z.infer<typeof absenceSchema>;

/** Everything a model's id is the digest of (canonical JSON). */
export const manifestContentSchema = z.strictObject({
  schema: z.literal(1),
  session: nameSchema,
  /** 0 is the seed model. */
  number: z.int().nonnegative(),
  round: z.int().nonnegative(),
  attempt: z.int().nonnegative(),
  parents: z.array(modelIdSchema),
  /** sha256 of the previous manifest.json file of this session; null for number 0. */
  previous_manifest: digestSchema.nullable(),
  /** `digest` of package.tgz, `manifest` of the signed manifest.json beside it. */
  package: z.strictObject({
    name: nameSchema,
    version: semverSchema,
    digest: digestSchema,
    manifest: digestSchema,
  }),
  /** The whole declaration of the session, so that the trail explains itself, and its digest. */
  spec: sessionSpecSchema,
  configuration: digestSchema,
  strategy: z.string(),
  weights: z.strictObject({
    digest: digestSchema,
    size: z.int().positive(),
    parameters: z.int().nonnegative(),
  }),
  /** num_examples of all contributions together. */
  num_examples: z.int().nonnegative(),
  contributions: z.array(contributionSchema),
  absences: z.array(absenceSchema),
  /** Federated validation of this model: means weighted by num_examples, and each site's signed claim. */
  metrics: metricsSchema,
  validation: z.array(signedClaimSchema),
  /** Weighted means of the metrics that training reported. */
  training_metrics: metricsSchema,
  created_at: isoTimeSchema,
  created_by: publicKeySchema,
});
export type ManifestContent = z.infer<typeof manifestContentSchema>;

/** `manifest.json` of a model. The signature (purpose `model-manifest`) covers `content`. */
export const modelManifestSchema = z.strictObject({
  id: modelIdSchema,
  content: manifestContentSchema,
  signature: z.strictObject({ key: publicKeySchema, value: signatureSchema }),
});
export type ModelManifest = z.infer<typeof modelManifestSchema>;

/** A committed model, as records and heads name it. */
export const modelHeadSchema = z.strictObject({
  number: z.int().nonnegative(),
  id: modelIdSchema,
  manifest_digest: digestSchema,
});
export type ModelHead = z.infer<typeof modelHeadSchema>;

/** `heads/<session>.json` (signature purpose `session-heads` over `content`). */
export const headsSchema = z.strictObject({
  content: z.strictObject({
    schema: z.literal(1),
    session: nameSchema,
    /** Grows with every change of this file. */
    sequence: z.int().positive(),
    /** How many models the session has; the newest has number count-1. */
    count: z.int().positive(),
    latest: modelHeadSchema,
    best: modelHeadSchema.extend({ metric: z.string(), value: z.number() }).nullable(),
    updated_at: isoTimeSchema,
  }),
  signature: z.strictObject({ key: publicKeySchema, value: signatureSchema }),
});
export type Heads = z.infer<typeof headsSchema>;

/** What a signature is for; a signature made for one purpose is void for any other. */
export const purposes = {
  manifest: 'model-manifest',
  heads: 'session-heads',
  result: 'task-result',
  package: 'package-manifest',
  joinToken: 'join-token',
} as const;
