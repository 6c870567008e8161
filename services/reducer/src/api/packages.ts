import {
  buckets,
  ConsiliumError,
  objectKeys,
  packageDetailSchema,
  packagePublishSchema,
  packageViewSchema,
  uploadCompleteSchema,
  uploadCreatedSchema,
  uploadCreateSchema,
} from '@consilium/protocol';
import { z } from 'zod';
import type { RegisteredPackage } from '../registry/registry.js';
import { callerOf } from './auth.js';
import { type ApiContext, urlSeconds } from './context.js';
import type { Api } from './server.js';

/** Bytes; the limit of S3, and so of every store. */
const largestObject = 5 * 2 ** 40;

export function packageRoutes(api: Api, context: ApiContext): void {
  const { store, registry, audit } = context;

  api.route({
    method: 'POST',
    url: '/uploads',
    config: { access: 'engineer' },
    schema: {
      summary: 'Where to PUT a seed or an archive',
      body: uploadCreateSchema,
      response: { 200: uploadCreatedSchema },
    },
    handler: async (request) => {
      const { digest, size } = request.body;
      if (size > largestObject) {
        throw new ConsiliumError('STORE_TOO_LARGE', `${size} bytes; at most ${largestObject}.`, {
          where: 'size',
        });
      }
      const key = objectKeys.upload(digest);
      try {
        const there = await store.head(buckets.work, key);
        if (there.size === size) return { exists: true };
      } catch (error) {
        if (!(error instanceof ConsiliumError && error.code === 'STORE_NOT_FOUND')) throw error;
      }
      const upload = await store.signPut(buckets.work, key, { digest, size }, urlSeconds);
      return { exists: false, upload: uploadCreatedSchema.shape.upload.parse(upload)! };
    },
  });

  api.route({
    method: 'POST',
    url: '/uploads/complete',
    config: { access: 'engineer' },
    schema: { summary: 'Ends a multipart upload', body: uploadCompleteSchema },
    handler: async (request, reply) => {
      const { digest, size, upload_id: uploadId, parts } = request.body;
      await store.completeUpload(buckets.work, objectKeys.upload(digest), { uploadId, size, digest, parts });
      return reply.code(204).send();
    },
  });

  api.route({
    method: 'POST',
    url: '/packages',
    config: { access: 'engineer' },
    schema: {
      summary: 'Registers an uploaded archive under its signed manifest',
      body: packagePublishSchema,
      response: { 201: packageViewSchema },
    },
    handler: async (request, reply) => {
      const registered = await registry.publish(request.body.manifest);
      const { name, version, digest, publisher } = registered.manifest.content;
      await audit.append('package.published', {
        name,
        version,
        digest,
        publisher,
        by: callerOf(request).name,
      });
      return reply.code(201).send(viewOf(registered));
    },
  });

  api.route({
    method: 'GET',
    url: '/packages',
    config: { access: 'viewer' },
    schema: { summary: 'All versions of all packages', response: { 200: z.array(packageViewSchema) } },
    handler: async () => {
      const found = await registry.list((key, error) =>
        context.log.error({ key, code: error.code, err: error }, 'a package of the registry cannot be read'),
      );
      return found.map(viewOf);
    },
  });

  api.route({
    method: 'GET',
    url: '/packages/:name/:version',
    config: { access: 'viewer' },
    schema: {
      summary: 'One version, with its signed manifest and a URL of its archive',
      params: z.object({ name: z.string(), version: z.string() }),
      response: { 200: packageDetailSchema },
    },
    handler: async (request) => {
      const registered = await registry.get(request.params.name, request.params.version);
      const { bucket, key } = registered.ref.archive;
      const { url } = await store.signGet(bucket, key, urlSeconds);
      return { ...viewOf(registered), manifest: { ...registered.manifest }, archive_url: url };
    },
  });
}

function viewOf({ manifest }: RegisteredPackage): z.infer<typeof packageViewSchema> {
  const { name, version, digest, size, publisher, created_at } = manifest.content;
  return { name, version, digest, size, publisher, created_at };
}
