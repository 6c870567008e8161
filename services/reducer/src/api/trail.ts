import {
  buckets,
  ConsiliumError,
  trailGcReplySchema,
  trailGcSchema,
  trailObjectsSchema,
  trailUrlsReplySchema,
  trailUrlsSchema,
} from '@consilium/protocol';
import { z } from 'zod';
import { collectGarbage } from '../engine/garbage.js';
import { callerOf } from './auth.js';
import { type ApiContext, urlSeconds } from './context.js';
import type { Api } from './server.js';

/** What an auditor may read over the API: the trail, the packages and the kept updates; nothing in the making. */
const readable: readonly (readonly [string, string])[] = [
  [buckets.models, 'trail/'],
  [buckets.models, 'heads/'],
  [buckets.packages, ''],
  [buckets.work, 'updates/'],
];

export function trailRoutes(api: Api, context: ApiContext): void {
  const { store, audit } = context;

  api.route({
    method: 'GET',
    url: '/trail/objects',
    config: { access: 'viewer' },
    schema: {
      summary: 'Objects of the trail whose keys begin with a prefix',
      querystring: z.object({ bucket: z.string(), prefix: z.string() }),
      response: { 200: trailObjectsSchema },
    },
    handler: async (request) => {
      const { bucket, prefix } = request.query;
      requireReadable(bucket, prefix);
      const objects: { bucket: string; key: string; size: number }[] = [];
      for await (const { key, size } of store.list(bucket, prefix)) objects.push({ bucket, key, size });
      return { objects };
    },
  });

  api.route({
    method: 'POST',
    url: '/trail/urls',
    config: { access: 'viewer' },
    schema: {
      summary: 'Signed URLs to read them',
      body: trailUrlsSchema,
      response: { 200: trailUrlsReplySchema },
    },
    handler: async (request) => {
      const urls: string[] = [];
      for (const { bucket, key } of request.body.objects) {
        requireReadable(bucket, key);
        urls.push((await store.signGet(bucket, key, urlSeconds)).url);
      }
      return { urls };
    },
  });

  api.route({
    method: 'POST',
    url: '/trail/gc',
    config: { access: 'admin' },
    schema: {
      summary: 'Removes objects that nothing names',
      body: trailGcSchema,
      response: { 200: trailGcReplySchema },
    },
    handler: async (request) => {
      const { dry_run, min_age_hours } = request.body;
      const removed = await collectGarbage(context, { dryRun: dry_run, minAgeMs: min_age_hours * 3600_000 });
      if (!dry_run) await audit.append('trail.gc', { removed: removed.length, by: callerOf(request).name });
      return { dry_run, removed };
    },
  });
}

function requireReadable(bucket: string, key: string): void {
  if (readable.some(([name, prefix]) => name === bucket && key.startsWith(prefix))) return;
  const detail = `${bucket}/${key} is not part of the trail.`;
  throw new ConsiliumError('TRUST_DENIED', detail, { where: 'prefix' });
}
