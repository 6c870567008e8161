import { z } from 'zod';
import { nameSchema, publicKeySchema, signatureSchema } from './ids.js';

/** Secret part of join and API tokens: a kind prefix and 32 random bytes in base64url. */
export const joinTokenSchema = z.string().regex(/^cjt_[A-Za-z0-9_-]{43}$/, 'expected a join token (cjt_…)');
export const apiTokenSchema = z.string().regex(/^cat_[A-Za-z0-9_-]{43}$/, 'expected an API token (cat_…)');

/**
 * `POST /api/v1/enrol`. `proof` is the client key's signature (purpose `join-token`) over
 * {token, client, key}: the token alone is not enough to enrol somebody else's key.
 */
export const enrolRequestSchema = z.strictObject({
  token: joinTokenSchema,
  client: nameSchema,
  key: publicKeySchema,
  proof: signatureSchema,
  protocol: z.int(),
  version: z.string(),
});
export type EnrolRequest = z.infer<typeof enrolRequestSchema>;

/** What a client must know to work; also the answer of `POST /api/v1/renew` (signed by the client's key). */
export const enrolReplySchema = z.strictObject({
  client: nameSchema,
  /** NATS user JWT, valid for ten minutes. */
  jwt: z.string(),
  jwt_expires_at: z.string(),
  nats: z.array(z.string()).min(1),
  /** Public keys that sign the trail of this reducer. */
  reducer_key: publicKeySchema,
  protocol: z.int(),
  version: z.string(),
});
export type EnrolReply = z.infer<typeof enrolReplySchema>;

/** `GET /api/v1/info`, open to all. */
export const infoSchema = z.strictObject({
  product: z.literal('consilium'),
  version: z.string(),
  protocol: z.int(),
  oldest_protocol: z.int(),
  reducer_key: publicKeySchema,
});
export type Info = z.infer<typeof infoSchema>;

/** Bucket `join_tokens`, key = hex sha256 of the token: the token itself is never stored. */
export const joinTokenRecordSchema = z.strictObject({
  schema: z.literal(1),
  /** The only client name it may be used for; null for any. */
  client: nameSchema.nullable(),
  created_at: z.string(),
  created_by: z.string(),
  expires_at: z.string(),
  /** Bound to the first key that used it. */
  used_by: publicKeySchema.nullable(),
  used_client: nameSchema.nullable(),
});
export type JoinTokenRecord = z.infer<typeof joinTokenRecordSchema>;

/** Bucket `users`, key = hex sha256 of the API token. */
export const userRecordSchema = z.strictObject({
  schema: z.literal(1),
  name: nameSchema,
  role: z.enum(['viewer', 'engineer', 'admin']),
  created_at: z.string(),
  revoked_at: z.string().nullable(),
});
export type UserRecord = z.infer<typeof userRecordSchema>;
