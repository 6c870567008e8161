import type { Bus, BusSubscription, Logger } from '@consilium/platform';
import {
  ConsiliumError,
  type HelloReply,
  helloRequestSchema,
  parseUp,
  reducerHub,
  subjects,
} from '@consilium/protocol';
import { untilNoConflict } from './api/retry.js';
import type { Fleet } from './engine/fleet.js';
import type { ReducerState } from './state.js';

interface HelloDeps {
  readonly bus: Bus;
  readonly state: Pick<ReducerState, 'clients'>;
  readonly fleet: Fleet;
  readonly syncSeconds: number;
  readonly log: Logger;
}

/** Answers clients that say hello with the combiner they belong to. Reducers share the work. */
export function answerHellos(deps: HelloDeps): BusSubscription {
  return deps.bus.respond(
    subjects.upAll(reducerHub),
    async ({ subject, value }) => hello(deps, subject, value),
    {
      queue: 'reducers',
    },
  );
}

async function hello(deps: HelloDeps, subject: string, value: unknown): Promise<HelloReply> {
  const up = parseUp(subject);
  const parsed = helloRequestSchema.safeParse(value);
  if (up?.verb !== 'hello' || !parsed.success) {
    const detail = parsed.success ? 'Only hello is answered here.' : (parsed.error.issues[0]?.message ?? '');
    throw new ConsiliumError('BAD_REQUEST', detail, { where: subject });
  }
  const { preferred_combiner: preferred, capabilities, version } = parsed.data;
  // NATS lets a client publish under its own name only, so the subject is who it is.
  const { client } = up;
  return untilNoConflict(async () => {
    const entry = await deps.state.clients.get(client);
    if (entry === undefined) throw new ConsiliumError('TRUST_UNKNOWN_CLIENT', client, { where: subject });
    if (entry.value.revoked_at !== null)
      throw new ConsiliumError('TRUST_REVOKED', client, { where: subject });
    const combiner = deps.fleet.combinerFor(client, preferred);
    if (combiner === undefined)
      throw new ConsiliumError('BUS_UNAVAILABLE', 'No combiner is up.', { where: 'combiner' });
    const next = { ...entry.value, combiner, capabilities, version };
    if (JSON.stringify(next) !== JSON.stringify(entry.value)) {
      await deps.state.clients.update(client, next, entry.revision);
    }
    deps.log.info({ client, combiner, version }, 'client connected');
    return { combiner, sync_seconds: deps.syncSeconds };
  });
}
