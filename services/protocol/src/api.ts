import { z } from 'zod';
import { digestSchema, nameSchema, publicKeySchema, semverSchema } from './ids.js';
import { objectRefSchema } from './objects.js';
import { cohortSchema, sessionStates } from './records.js';
import { roleSchema } from './roles.js';
import { sessionSpecSchema } from './session-spec.js';
import { sentPartsSchema, signedUploadSchema } from './task.js';

/** Shapes of the HTTP API (`/api/v1`), shared by the reducer and the command line. */

export const errorBodySchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  detail: z.string(),
  where: z.string().optional(),
  fix: z.string(),
});

/** `POST /join-tokens` */
export const joinTokenCreateSchema = z.strictObject({
  client: nameSchema.optional(),
  expires_in_hours: z
    .number()
    .positive()
    .max(24 * 365)
    .default(24 * 7),
});
export const joinTokenCreatedSchema = z.strictObject({
  token: z.string(),
  client: nameSchema.nullable(),
  expires_at: z.string(),
});
/** `POST /users` */
export const userCreateSchema = z.strictObject({ name: nameSchema, role: roleSchema });
export const userCreatedSchema = z.strictObject({ name: nameSchema, role: roleSchema, token: z.string() });
/** `GET /whoami` */
export const whoamiSchema = z.strictObject({ name: z.string(), role: roleSchema });

/** `GET /clients` */
export const clientViewSchema = z.strictObject({
  client: nameSchema,
  key: publicKeySchema,
  connected: z.boolean(),
  combiner: nameSchema.nullable(),
  enrolled_at: z.string(),
  revoked_at: z.string().nullable(),
  version: z.string(),
  capabilities: z.record(z.string(), z.string()),
});
/** `GET /combiners` */
export const combinerViewSchema = z.strictObject({
  combiner: nameSchema,
  clients: z.int().nonnegative(),
  version: z.string(),
  at: z.string(),
});

/**
 * Bringing bytes in: `POST /uploads` answers where to PUT them (object `uploads/<digest>`), or that they
 * are there already; `POST /uploads/complete` ends a multipart upload.
 */
export const uploadCreateSchema = z.strictObject({ digest: digestSchema, size: z.int().positive() });
export const uploadCreatedSchema = z.strictObject({
  exists: z.boolean(),
  upload: signedUploadSchema.optional(),
});
export const uploadCompleteSchema = z.strictObject({
  digest: digestSchema,
  size: z.int().positive(),
  upload_id: z.string(),
  parts: sentPartsSchema,
});

/** `POST /packages`: the archive was uploaded before; the manifest is the publisher's signed document. */
export const packagePublishSchema = z.strictObject({ manifest: z.record(z.string(), z.unknown()) });
export const packageViewSchema = z.strictObject({
  name: nameSchema,
  version: semverSchema,
  digest: digestSchema,
  size: z.int().positive(),
  publisher: publicKeySchema,
  created_at: z.string(),
});
/** `GET /packages/:name/:version` */
export const packageDetailSchema = packageViewSchema.extend({
  manifest: z.record(z.string(), z.unknown()),
  archive_url: z.string(),
});

/** `GET /sessions` and `GET /sessions/:id` */
export const sessionViewSchema = z.strictObject({
  id: nameSchema,
  state: z.enum(sessionStates),
  reason: z.string().nullable(),
  round: z.int(),
  rounds: z.int(),
  attempt: z.int(),
  spec: sessionSpecSchema,
  head: z.strictObject({ number: z.int(), id: z.string() }),
  best: z.strictObject({ number: z.int(), id: z.string(), metric: z.string(), value: z.number() }).nullable(),
  cohorts: z.array(cohortSchema),
  created_at: z.string(),
  created_by: z.string(),
  updated_at: z.string(),
});
export type SessionView = z.infer<typeof sessionViewSchema>;

/** `GET /sessions/:id/models` and `GET /models/:id` (id or unique prefix, or `<session>/latest|best|<number>`). */
export const modelViewSchema = z.strictObject({
  session: nameSchema,
  number: z.int(),
  id: z.string(),
  round: z.int(),
  created_at: z.string(),
  num_examples: z.int(),
  contributions: z.int(),
  metrics: z.record(z.string(), z.number()),
  latest: z.boolean(),
  best: z.boolean(),
  weights: objectRefSchema,
});
export type ModelView = z.infer<typeof modelViewSchema>;
/** `GET /models/:ref/download`: signed URLs of the two files. */
export const modelDownloadSchema = z.strictObject({
  model: modelViewSchema,
  weights_url: z.string(),
  manifest_url: z.string(),
});

/** `GET /trail/objects?session=`: keys below trail/<session>/, heads and updates, for `trail verify` over the API. */
export const trailObjectsSchema = z.strictObject({
  objects: z.array(z.strictObject({ bucket: z.string(), key: z.string(), size: z.int() })),
});
/** `POST /trail/urls`: signed GETs for up to 500 objects of the trail or kept updates. */
export const trailUrlsSchema = z.strictObject({
  objects: z.array(z.strictObject({ bucket: z.string(), key: z.string() })).max(500),
});
export const trailUrlsReplySchema = z.strictObject({ urls: z.array(z.string()) });
/** `POST /trail/gc` (admin) */
export const trailGcSchema = z.strictObject({
  dry_run: z.boolean().default(true),
  min_age_hours: z.number().nonnegative().default(24),
});
export const trailGcReplySchema = z.strictObject({
  dry_run: z.boolean(),
  removed: z.array(z.strictObject({ bucket: z.string(), key: z.string(), size: z.int() })),
});

/** `GET /audit` (admin): the reducer's hash-chained log; `broken_at` is the first line that does not follow. */
export const auditSchema = z.object({
  broken_at: z.int().nullable(),
  lines: z.array(
    z.object({
      seq: z.int(),
      at: z.string(),
      reducer: z.string(),
      event: z.string(),
      details: z.record(z.string(), z.union([z.string(), z.number()])),
      previous: z.string(),
      hash: z.string(),
    }),
  ),
});
