import { ConsiliumError, clientViewSchema, combinerViewSchema } from '@consilium/protocol';
import { z } from 'zod';
import { callerOf } from './auth.js';
import type { ApiContext } from './context.js';
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
      const entry = await state.clients.get(request.params.client);
      if (entry === undefined) {
        throw new ConsiliumError('TRUST_UNKNOWN_CLIENT', `There is no ${request.params.client}.`, {
          where: 'client',
        });
      }
      if (entry.value.revoked_at === null) {
        const revoked_at = new Date(now()).toISOString();
        await state.clients.update(entry.key, { ...entry.value, revoked_at }, entry.revision);
        await audit.append('client.revoked', { client: entry.key, by: callerOf(request).name });
      }
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
