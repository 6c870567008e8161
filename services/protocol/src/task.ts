import { z } from 'zod';
import {
  digestSchema,
  isoTimeSchema,
  nameSchema,
  partNameSchema,
  semverSchema,
  taskKindSchema,
} from './ids.js';
import { mostMetrics, signedClaimSchema } from './manifest.js';
import { objectRefSchema } from './objects.js';

/** A package as a task names it; the client verifies archive digest and the manifest's signature itself. */
export const packageRefSchema = z.strictObject({
  name: nameSchema,
  version: semverSchema,
  archive: objectRefSchema,
  manifest: objectRefSchema,
});
export type PackageRef = z.infer<typeof packageRefSchema>;

/** What all clients of a phase are asked to do. */
export const taskTemplateSchema = z.strictObject({
  kind: taskKindSchema,
  session: nameSchema,
  round: z.int().positive(),
  attempt: z.int().nonnegative(),
  rounds: z.int().positive(),
  package: packageRefSchema,
  /** Model parts to start from; `weights` always, others when a strategy names them. */
  inputs: z.record(partNameSchema, objectRefSchema),
  config: z.record(z.string(), z.unknown()),
  random_seed: z.int().nonnegative(),
  /** When the combiner stops waiting (its clock). */
  deadline: isoTimeSchema,
});
export type TaskTemplate = z.infer<typeof taskTemplateSchema>;

/** One client's piece of work. `id` is `taskId(phase, client)`. */
export const taskSchema = taskTemplateSchema.extend({
  id: z.string(),
  client: nameSchema,
  /** Seconds left until the deadline when this message was made; immune to clock differences. */
  seconds_left: z.number(),
});
export type Task = z.infer<typeof taskSchema>;

export const taskStates = ['accepted', 'downloading', 'running', 'uploading', 'finished', 'failed'] as const;

/** What one side says to the other ends up in records, events and manifests: no text is without a bound. */
const text = z.string().max(10_000);
const taskIdSchema = z.string().max(200);

const errorBodySchema = z.strictObject({
  code: z.string().max(100),
  message: text.default(''),
  detail: text,
  where: text.optional(),
  fix: text.default(''),
});
export type TaskError = z.infer<typeof errorBodySchema>;

/** `up.reducer.<client>.hello` */
export const helloRequestSchema = z.strictObject({
  protocol: z.int(),
  version: z.string(),
  client: nameSchema,
  /** Random for each start of the client process: tells a restart from a reconnect. */
  instance: z.string().min(8).max(64),
  capabilities: z.strictObject({
    sdk: z.string(),
    node: z.string(),
    isolation: z.string(),
    accelerator: z.string(),
  }),
  preferred_combiner: nameSchema.optional(),
});
export type HelloRequest = z.infer<typeof helloRequestSchema>;
export const helloReplySchema = z.strictObject({
  combiner: nameSchema,
  /** Bounded: a timer of Node that is too long fires at once. */
  sync_seconds: z.number().min(0.01).max(3600),
});
export type HelloReply = z.infer<typeof helloReplySchema>;

/** `up.<combiner>.<client>.sync`: heartbeat and reconciliation in one. */
export const syncRequestSchema = z.strictObject({
  instance: z.string().max(64),
  tasks: z.array(z.strictObject({ id: taskIdSchema, state: z.enum(taskStates) })).max(100),
});
export type SyncRequest = z.infer<typeof syncRequestSchema>;
/** All tasks that hold now. The client drops everything that is not in the list. */
export const tasksMessageSchema = z.strictObject({ tasks: z.array(taskSchema) });
export type TasksMessage = z.infer<typeof tasksMessageSchema>;

/** `up.<combiner>.<client>.urls` */
export const urlsRequestSchema = z.strictObject({
  task: taskIdSchema,
  /** Inputs to read: `package.archive`, `package.manifest`, `inputs.weights`, … */
  get: z.array(z.string().max(100)).max(20).default([]),
  /** The update to write, once its size and digest are known. */
  put: z
    .strictObject({
      size: z.int().positive(),
      digest: digestSchema,
      /** Sign the parts of this unfinished multipart upload again. */
      upload_id: z.string().max(1024).optional(),
    })
    .optional(),
});
export type UrlsRequest = z.infer<typeof urlsRequestSchema>;
/** What the object store's `signPut` answers, passed on as it is (times in milliseconds since 1970, sizes in bytes). */
export const signedUploadSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('single'),
    url: z.string(),
    headers: z.record(z.string(), z.string()),
    expiresAt: z.number(),
  }),
  z.strictObject({
    kind: z.literal('multipart'),
    uploadId: z.string(),
    partSize: z.int().positive(),
    parts: z.array(
      z.strictObject({
        number: z.int().positive(),
        offset: z.int().nonnegative(),
        size: z.int().positive(),
        url: z.string(),
        headers: z.record(z.string(), z.string()),
        done: z.boolean().optional(),
        /** Of a part that is done: what the store has, to be compared with the file. */
        etag: z.string().max(200).optional(),
      }),
    ),
    expiresAt: z.number(),
  }),
]);
export type SignedUploadMessage = z.infer<typeof signedUploadSchema>;
export const urlsReplySchema = z.strictObject({
  get: z.record(z.string(), z.strictObject({ url: z.string(), expiresAt: z.number() })),
  put: signedUploadSchema.optional(),
});
export type UrlsReply = z.infer<typeof urlsReplySchema>;

/** What the store answered to each part; one that it kept differently is refused at the end. */
export const sentPartsSchema = z
  .array(z.strictObject({ number: z.int().positive(), etag: z.string().max(200) }))
  .max(10_000);

/** `up.<combiner>.<client>.complete`: all parts of a multipart upload are there. */
export const completeRequestSchema = z.strictObject({
  task: taskIdSchema,
  digest: digestSchema,
  size: z.int().positive(),
  upload_id: z.string().max(1024),
  parts: sentPartsSchema,
});
export type CompleteRequest = z.infer<typeof completeRequestSchema>;

/** `up.<combiner>.<client>.result`: resent until answered. */
export const resultRequestSchema = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('done'),
    task: taskIdSchema,
    signed: signedClaimSchema,
    /** Size of the update in bytes (train only). */
    update_size: z.int().positive().optional(),
  }),
  z.strictObject({
    outcome: z.literal('failed'),
    task: taskIdSchema,
    error: errorBodySchema,
    /** Last lines the package printed. */
    log_tail: z.string().max(16_384),
  }),
]);
export type ResultRequest = z.infer<typeof resultRequestSchema>;
/** `accepted` false: the result was looked at and refused for good; do not send it again. */
export const resultReplySchema = z.strictObject({
  accepted: z.boolean(),
  error: errorBodySchema.optional(),
});
export type ResultReply = z.infer<typeof resultReplySchema>;

/** `up.<combiner>.<client>.event`: lossy. */
export const clientEventSchema = z.strictObject({
  task: taskIdSchema,
  state: z.enum(taskStates).optional(),
  step: z.number().optional(),
  steps: z.number().optional(),
  epoch: z.number().optional(),
  metrics: z
    .record(z.string().max(100), z.number())
    .refine(
      (metrics) => Object.keys(metrics).length <= mostMetrics,
      `expected at most ${mostMetrics} metrics`,
    )
    .optional(),
  backend: z.string().max(200).optional(),
  device: z.string().max(200).optional(),
  message: z.string().max(2000).optional(),
});
export type ClientEvent = z.infer<typeof clientEventSchema>;
