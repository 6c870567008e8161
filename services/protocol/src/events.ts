import { z } from 'zod';
import { nameSchema } from './ids.js';
import { sessionStates } from './records.js';

const base = {
  at: z.string(),
  session: nameSchema,
  round: z.int().nonnegative(),
  attempt: z.int().nonnegative(),
};
const metrics = z.record(z.string(), z.number());

/** Events of a session, in stream EVENTS; what `session show --follow` and the page read. */
export const sessionEventSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('session.created'), ...base, by: z.string() }),
  z.strictObject({
    event: z.literal('session.state'),
    ...base,
    state: z.enum(sessionStates),
    reason: z.string().nullable(),
  }),
  z.strictObject({
    event: z.literal('round.started'),
    ...base,
    rounds: z.int(),
    kind: z.enum(['train', 'validate']),
    cohorts: z.array(z.strictObject({ combiner: z.string(), clients: z.array(z.string()) })),
  }),
  z.strictObject({ event: z.literal('round.failed'), ...base, reason: z.string() }),
  z.strictObject({
    event: z.literal('model.committed'),
    ...base,
    number: z.int(),
    id: z.string(),
    num_examples: z.int(),
    contributions: z.int(),
    metrics,
    best: z.boolean(),
  }),
  z.strictObject({
    event: z.literal('client.progress'),
    ...base,
    kind: z.enum(['train', 'validate']),
    client: nameSchema,
    combiner: nameSchema,
    state: z.string().optional(),
    step: z.number().optional(),
    steps: z.number().optional(),
    epoch: z.number().optional(),
    metrics: metrics.optional(),
    backend: z.string().optional(),
    device: z.string().optional(),
    message: z.string().optional(),
  }),
  z.strictObject({
    event: z.literal('client.result'),
    ...base,
    kind: z.enum(['train', 'validate']),
    client: nameSchema,
    combiner: nameSchema,
    num_examples: z.int(),
    metrics,
    duration_ms: z.number(),
    backend: z.string(),
  }),
  z.strictObject({
    event: z.literal('client.failed'),
    ...base,
    kind: z.enum(['train', 'validate']),
    client: nameSchema,
    combiner: nameSchema,
    code: z.string(),
    detail: z.string(),
    log_tail: z.string(),
  }),
  z.strictObject({
    event: z.literal('update.refused'),
    ...base,
    client: z.string(),
    combiner: nameSchema,
    code: z.string(),
    detail: z.string(),
  }),
]);
export type SessionEvent = z.infer<typeof sessionEventSchema>;
export type SessionEventKind = SessionEvent['event'];
