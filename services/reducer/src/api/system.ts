import { auditSchema, productVersion } from '@consilium/protocol';
import { Gauge, Registry } from 'prom-client';
import { brokenAt } from '../audit.js';
import type { ApiContext } from './context.js';
import type { Api } from './server.js';

/** Routes below /api/v1 that are about the reducer itself. */
export function systemRoutes(api: Api, context: ApiContext): void {
  api.route({
    method: 'GET',
    url: '/audit',
    config: { access: 'admin' },
    schema: {
      summary: 'The hash-chained audit log; broken_at is the first line that does not follow',
      response: { 200: auditSchema },
    },
    handler: async () => {
      const lines = await context.audit.lines();
      return { broken_at: brokenAt(lines) ?? null, lines };
    },
  });
}

/** Health and metrics, outside the API's prefix, for orchestrators. */
export function probeRoutes(app: Api, context: ApiContext): void {
  const registry = new Registry();
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  gauge('consilium_clients_connected', 'Clients connected now', () => context.fleet.available().length);
  gauge('consilium_combiners', 'Combiners that live', () => context.fleet.combiners().length);
  gauge('consilium_reducer_leader', '1 while this reducer moves the sessions', () =>
    context.engine.isLeader ? 1 : 0,
  );

  app.get('/health', { config: { access: 'open' } }, () => ({ ok: true, version: productVersion }));
  app.get('/ready', { config: { access: 'open' } }, async (_request, reply) => {
    const isReady = context.isReady();
    return reply.code(isReady ? 200 : 503).send({ ready: isReady });
  });
  app.get('/metrics', { config: { access: 'open' } }, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
}
