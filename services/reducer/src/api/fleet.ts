import { ConsiliumError, clientViewSchema, combinerViewSchema, isName } from '@consilium/protocol';
import { z } from 'zod';
import { callerOf } from './auth.js';
import type { ApiContext } from './context.js';
import { untilNoConflict } from './retry.js';
import type { Api } from './server.js';

export function fleetRoutes(api: Api, context: ApiContext): void {
  const { fleet, state, audit, now } = context;

  api.route({
    method: 'GET',
    url: '/clients',
    config: { access: 'viewer' },
    schema: { summary: 'Sites, connected or not', response: { 200: z.array(clientViewSchema) } },
    handler: () => {
      const connected = new Set(fleet.available().map((entry) => entry.client));
      return fleet
        .clients()
        .map(({ client, key, combiner, enrolled_at, revoked_at, version, capabilities }) => {
          const is = connected.has(client);
          return { client, key, connected: is, combiner, enrolled_at, revoked_at, version, capabilities };
        })
        .sort((a, b) => (a.client < b.client ? -1 : 1));
    },
  });

  api.route({
    method: 'POST',
    url: '/clients/:client/revoke',
    config: { access: 'admin' },
    schema: { summary: 'Shut a site out', params: z.object({ client: z.string() }) },
    handler: async (request, reply) => {
      const { client } = request.params;
      await untilNoConflict(async () => {
        const entry = isName(client) ? await state.clients.get(client) : undefined;
        if (entry === undefined) {
          throw new ConsiliumError('CLIENT_NOT_FOUND', `"${client}" has not enrolled.`, { where: 'client' });
        }
        if (entry.value.revoked_at !== null) return;
        const revoked_at = new Date(now()).toISOString();
        await state.clients.update(client, { ...entry.value, revoked_at }, entry.revision);
      });
      // Also when it was revoked before: the line of that time may not have been stored.
      await audit.append('client.revoked', { client, by: callerOf(request).name });
      return reply.code(204).send();
    },
  });

  api.route({
    method: 'GET',
    url: '/combiners',
    config: { access: 'viewer' },
    schema: { summary: 'Combiners that live', response: { 200: z.array(combinerViewSchema) } },
    handler: () =>
      fleet
        .combiners()
        .map(({ combiner, clients, version, at }) => ({ combiner, clients, version, at }))
        .sort((a, b) => (a.combiner < b.combiner ? -1 : 1)),
  });
}
