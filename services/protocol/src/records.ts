import { z } from 'zod';
import { digestSchema, isoTimeSchema, nameSchema, type PhaseRef, phaseKey, publicKeySchema } from './ids.js';
import { absenceSchema, modelHeadSchema, signedClaimSchema } from './manifest.js';
import { objectRefSchema } from './objects.js';
import { sessionSpecSchema } from './session-spec.js';
import { packageRefSchema, taskTemplateSchema } from './task.js';

/**
 * States of a session. `waiting`: for clients, or about to plan the next round. `training`,
 * `reducing`, `validating`, `committing`: the steps of a round. The last four need a person or are final.
 */
export const sessionStates = [
  'waiting',
  'training',
  'reducing',
  'validating',
  'committing',
  'paused',
  'finished',
  'stopped',
  'failed',
] as const;
export type SessionState = (typeof sessionStates)[number];
export const endedStates: readonly SessionState[] = ['finished', 'stopped', 'failed'];

export const cohortSchema = z.strictObject({ combiner: nameSchema, clients: z.array(nameSchema).min(1) });
export type Cohort = z.infer<typeof cohortSchema>;

/** The session's record in KV: moved by compare-and-set, by the lease holder alone. */
export const sessionRecordSchema = z.strictObject({
  schema: z.literal(1),
  id: nameSchema,
  spec: sessionSpecSchema,
  configuration: digestSchema,
  package: packageRefSchema,
  state: z.enum(sessionStates),
  /** Why it is paused or failed, or what it waits for. */
  reason: z.string().nullable(),
  /** The round in work, or the next one (1-based). */
  round: z.int().positive(),
  attempt: z.int().nonnegative(),
  /** Raised with every plan of cohorts; partials of an older epoch never count. */
  epoch: z.int().nonnegative(),
  head: modelHeadSchema,
  /** Where the head's weights are, for the next task. */
  head_weights: objectRefSchema,
  best: modelHeadSchema.extend({ metric: z.string(), value: z.number() }).nullable(),
  /** Cohorts of the phase in work. */
  cohorts: z.array(cohortSchema),
  deadline: isoTimeSchema.nullable(),
  /** From `reducing` on: the model that this round made, not committed yet. */
  candidate: objectRefSchema.nullable(),
  /** From `reducing` on: the closed training reports this round's model consists of. */
  reports: z.array(objectRefSchema),
  /** From `committing` on: the closed validation reports. */
  validation_reports: z.array(objectRefSchema),
  stop_requested: z.boolean(),
  created_at: isoTimeSchema,
  created_by: z.string(),
  /** Time of the last step. In `committing` it becomes the manifest's time, so that a repeated commit has the same bytes. */
  updated_at: isoTimeSchema,
});
export type SessionRecord = z.infer<typeof sessionRecordSchema>;

/** What a combiner is asked to do in one phase (bucket `orders`, key `orderKey`). */
export const orderSchema = z.strictObject({
  schema: z.literal(1),
  combiner: nameSchema,
  epoch: z.int().nonnegative(),
  clients: z.array(nameSchema).min(1),
  template: taskTemplateSchema,
  weighting: z.enum(['examples', 'equal']),
  max_update_norm: z.number().positive().nullable(),
  max_examples: z.int().positive(),
  /** Set by the reducer to close the phase at once with what has arrived. */
  close: z.boolean(),
});
export type Order = z.infer<typeof orderSchema>;

export function orderKey(combiner: string, phase: PhaseRef): string {
  return `${combiner}.${phaseKey(phase)}`;
}

/** What happened to one client's task (bucket `tasks`, key = task id); written before the client is answered. */
export const taskRecordSchema = z.strictObject({
  schema: z.literal(1),
  task: z.string(),
  client: nameSchema,
  combiner: nameSchema,
  state: z.enum(['done', 'failed']),
  signed: signedClaimSchema.nullable(),
  update: objectRefSchema.nullable(),
  error: z.strictObject({ code: z.string(), detail: z.string(), log_tail: z.string() }).nullable(),
  at: isoTimeSchema,
});
export type TaskRecord = z.infer<typeof taskRecordSchema>;

/** A combiner's state of a phase (bucket `reports`, key `orderKey`). */
export const reportSchema = z.strictObject({
  schema: z.literal(1),
  combiner: nameSchema,
  epoch: z.int().nonnegative(),
  state: z.enum(['open', 'closed', 'error']),
  asked: z.int().nonnegative(),
  done: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  /** closed: the report object with everything in it. */
  result: objectRefSchema.nullable(),
  /** error: why this combiner cannot do the phase. */
  error: z.string().nullable(),
  at: isoTimeSchema,
});
export type Report = z.infer<typeof reportSchema>;

/** The object a closed report points to. */
export const reportObjectSchema = z.strictObject({
  schema: z.literal(1),
  combiner: nameSchema,
  epoch: z.int().nonnegative(),
  kind: taskTemplateSchema.shape.kind,
  session: nameSchema,
  round: z.int().positive(),
  attempt: z.int().nonnegative(),
  results: z.array(
    z.strictObject({
      client: nameSchema,
      weight: z.int().nonnegative(),
      signed: signedClaimSchema,
      update: objectRefSchema.nullable(),
    }),
  ),
  absences: z.array(absenceSchema),
  /** train with at least one update: the exact sums of this cohort. */
  partial: objectRefSchema.nullable(),
});
export type ReportObject = z.infer<typeof reportObjectSchema>;

/** A site as the reducer knows it (bucket `clients`, key = client name). */
export const clientRecordSchema = z.strictObject({
  schema: z.literal(1),
  client: nameSchema,
  key: publicKeySchema,
  enrolled_at: isoTimeSchema,
  revoked_at: isoTimeSchema.nullable(),
  combiner: nameSchema.nullable(),
  capabilities: z.record(z.string(), z.string()),
  version: z.string(),
});
export type ClientRecord = z.infer<typeof clientRecordSchema>;

/** Written by a combiner for each connected client at each sync (bucket `presence`, with TTL). */
export const presenceSchema = z.strictObject({
  schema: z.literal(1),
  client: nameSchema,
  combiner: nameSchema,
  instance: z.string(),
  at: isoTimeSchema,
});
export type Presence = z.infer<typeof presenceSchema>;

/** Heartbeat of a combiner (bucket `combiners`, with TTL). */
export const combinerRecordSchema = z.strictObject({
  schema: z.literal(1),
  combiner: nameSchema,
  version: z.string(),
  clients: z.int().nonnegative(),
  started_at: isoTimeSchema,
  at: isoTimeSchema,
});
export type CombinerRecord = z.infer<typeof combinerRecordSchema>;
