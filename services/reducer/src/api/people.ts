import { randomBytes } from 'node:crypto';
import {
  ConsiliumError,
  joinTokenCreatedSchema,
  joinTokenCreateSchema,
  roleSchema,
  type UserRecord,
  userCreatedSchema,
  userCreateSchema,
  whoamiSchema,
} from '@consilium/protocol';
import { z } from 'zod';
import { readable } from '../state.js';
import { callerOf, tokenHash } from './auth.js';
import type { ApiContext } from './context.js';
import type { Api } from './server.js';

const usersSchema = z.array(
  z.strictObject({
    name: z.string(),
    role: roleSchema,
    created_at: z.string(),
    revoked_at: z.string().nullable(),
  }),
);

/** A new secret token: 32 random bytes behind a prefix that says what it is for. */
export function newToken(prefix: 'cat' | 'cjt'): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`;
}

/** Makes sure that the first admin exists; nothing happens once it does. */
export async function ensureAdmin(context: Pick<ApiContext, 'state' | 'now'>, hash: string): Promise<void> {
  const record: UserRecord = {
    schema: 1,
    name: 'admin',
    role: 'admin',
    created_at: new Date(context.now()).toISOString(),
    revoked_at: null,
  };
  try {
    await context.state.users.create(hash, record);
  } catch (error) {
    if (!(error instanceof ConsiliumError && error.code === 'BUS_CONFLICT')) throw error;
  }
}

export function peopleRoutes(api: Api, context: ApiContext): void {
  const { state, audit, now } = context;

  api.route({
    method: 'GET',
    url: '/whoami',
    config: { access: 'viewer' },
    schema: { summary: 'Whose token this is', response: { 200: whoamiSchema } },
    handler: (request) => {
      const { name, role } = callerOf(request);
      return { name, role };
    },
  });

  api.route({
    method: 'POST',
    url: '/users',
    config: { access: 'admin' },
    schema: { summary: 'A new API token', body: userCreateSchema, response: { 201: userCreatedSchema } },
    handler: async (request, reply) => {
      const token = newToken('cat');
      const { name, role } = request.body;
      const created_at = new Date(now()).toISOString();
      await state.users.create(tokenHash(token), { schema: 1, name, role, created_at, revoked_at: null });
      await audit.append('user.created', { name, role, by: callerOf(request).name });
      return reply.code(201).send({ name, role, token });
    },
  });

  api.route({
    method: 'GET',
    url: '/users',
    config: { access: 'admin' },
    schema: {
      summary: 'Who has an API token; the tokens themselves are not stored',
      response: { 200: usersSchema },
    },
    handler: async () =>
      (await readable(state.listed.users))
        .map(({ name, role, created_at, revoked_at }) => ({ name, role, created_at, revoked_at }))
        .sort((a, b) => (a.created_at < b.created_at ? -1 : 1)),
  });

  api.route({
    method: 'POST',
    url: '/users/:name/revoke',
    config: { access: 'admin' },
    schema: { summary: 'Makes every API token of this name void', params: z.object({ name: z.string() }) },
    handler: async (request, reply) => {
      const { name } = request.params;
      const revoked_at = new Date(now()).toISOString();
      const tokens = await state.users.entries();
      const theirs = tokens.filter(({ value }) => value.name === name);
      if (theirs.length === 0) {
        throw new ConsiliumError('USER_NOT_FOUND', `"${name}" has no token.`, { where: 'name' });
      }
      const others = tokens.filter(({ value }) => value.name !== name && value.revoked_at === null);
      if (!others.some(({ value }) => value.role === 'admin')) {
        throw new ConsiliumError('TRUST_LAST_ADMIN', `Nobody but "${name}" is admin.`, { where: 'name' });
      }
      for (const { key, value, revision } of theirs) {
        if (value.revoked_at === null) await state.users.update(key, { ...value, revoked_at }, revision);
      }
      await audit.append('user.revoked', { name, by: callerOf(request).name });
      return reply.code(204).send();
    },
  });

  api.route({
    method: 'POST',
    url: '/join-tokens',
    config: { access: 'admin' },
    schema: {
      summary: 'A one-time token with which a site enrols',
      body: joinTokenCreateSchema,
      response: { 201: joinTokenCreatedSchema },
    },
    handler: async (request, reply) => {
      const token = newToken('cjt');
      const client = request.body.client ?? null;
      const by = callerOf(request).name;
      const expires_at = new Date(now() + request.body.expires_in_hours * 3600_000).toISOString();
      await state.joinTokens.create(tokenHash(token), {
        schema: 1,
        client,
        created_at: new Date(now()).toISOString(),
        created_by: by,
        expires_at,
        used_by: null,
        used_client: null,
      });
      await audit.append('join-token.created', { client: client ?? 'any', expires_at, by });
      return reply.code(201).send({ token, client, expires_at });
    },
  });
}
