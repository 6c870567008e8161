import { Readable } from 'node:stream';
import {
  ConsiliumError,
  endedStates,
  isName,
  type SessionRecord,
  type SessionView,
  sessionCreateSchema,
  sessionViewSchema,
} from '@consilium/protocol';
import { z } from 'zod';
import { createSession } from '../engine/create.js';
import { readable } from '../state.js';
import { callerOf } from './auth.js';
import type { ApiContext } from './context.js';
import { eventLines } from './event-lines.js';
import { untilNoConflict } from './retry.js';
import type { Api } from './server.js';

const idParams = z.object({ id: z.string() });

/** @throws SESSION_NOT_FOUND */
export async function sessionOf(context: Pick<ApiContext, 'state'>, id: string) {
  const entry = isName(id) ? await context.state.sessions.get(id) : undefined;
  if (entry === undefined)
    throw new ConsiliumError('SESSION_NOT_FOUND', `There is no "${id}".`, { where: 'session' });
  return entry;
}

export function sessionRoutes(api: Api, context: ApiContext): void {
  const { state, audit, engine } = context;

  api.route({
    method: 'POST',
    url: '/sessions',
    config: { access: 'engineer' },
    schema: {
      summary: 'Declares a session',
      body: sessionCreateSchema,
      response: { 201: sessionViewSchema },
    },
    handler: async (request, reply) => {
      const by = callerOf(request).name;
      const deps = { ...context, sessions: state.sessions, writer: context };
      const record = await createSession(deps, request.body, by);
      const { name, version } = record.package;
      await audit.append('session.created', { session: record.id, package: `${name} ${version}`, by });
      engine.poke();
      return reply.code(201).send(viewOf(record));
    },
  });

  api.route({
    method: 'GET',
    url: '/sessions',
    config: { access: 'viewer' },
    schema: { summary: 'All sessions, newest first', response: { 200: z.array(sessionViewSchema) } },
    handler: async () =>
      (await readable(state.listed.sessions))
        .map(viewOf)
        .sort((a, b) => (a.created_at < b.created_at ? 1 : -1)),
  });

  api.route({
    method: 'GET',
    url: '/sessions/:id',
    config: { access: 'viewer' },
    schema: { summary: 'One session', params: idParams, response: { 200: sessionViewSchema } },
    handler: async (request) => viewOf((await sessionOf(context, request.params.id)).value),
  });

  api.route({
    method: 'POST',
    url: '/sessions/:id/stop',
    config: { access: 'engineer' },
    schema: {
      summary: 'Stops a session; what is committed stays',
      params: idParams,
      response: { 200: sessionViewSchema },
    },
    handler: async (request) => {
      const record = await requestStop(context, request.params.id);
      await audit.append('session.stopped', { session: record.id, by: callerOf(request).name });
      engine.poke();
      return viewOf(record);
    },
  });

  api.route({
    method: 'GET',
    url: '/sessions/:id/events',
    config: { access: 'viewer' },
    schema: {
      summary: 'Events as lines of JSON; with follow, until the session ends',
      params: idParams,
      querystring: z.object({
        follow: z.stringbool().default(false),
        from: z.coerce.number().int().positive().default(1),
      }),
    },
    handler: async (request, reply) => {
      const { value } = await sessionOf(context, request.params.id);
      const abort = new AbortController();
      reply.raw.on('close', () => abort.abort());
      const lines = eventLines({
        ...request.query,
        events: context.events,
        session: value.id,
        signal: abort.signal,
        record: async () => (await state.sessions.get(value.id))?.value,
        lookEvery: 2000,
      });
      return reply.type('application/x-ndjson').send(Readable.from(lines));
    },
  });
}

async function requestStop(context: ApiContext, id: string): Promise<SessionRecord> {
  return untilNoConflict(async () => {
    const { value, revision } = await sessionOf(context, id);
    if (endedStates.includes(value.state)) {
      throw new ConsiliumError('SESSION_ENDED', `"${id}" is ${value.state}.`, { where: 'session' });
    }
    const next = { ...value, stop_requested: true };
    await context.state.sessions.update(id, next, revision);
    return next;
  });
}

export function viewOf(record: SessionRecord): SessionView {
  const { id, state, reason, round, attempt, spec, head, best, cohorts } = record;
  return {
    id,
    state,
    reason,
    round: Math.min(round, spec.rounds),
    rounds: spec.rounds,
    attempt,
    spec,
    head: { number: head.number, id: head.id },
    best: best === null ? null : { number: best.number, id: best.id, metric: best.metric, value: best.value },
    cohorts,
    created_at: record.created_at,
    created_by: record.created_by,
    updated_at: record.updated_at,
  };
}
