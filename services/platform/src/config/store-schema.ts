import { z } from 'zod';

/** `StoreConfig` as it stands in the configuration file of a service. */
export const storeConfigSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('filesystem'),
    url: z.string(),
    publicUrl: z.string().optional(),
    key: z.string().min(32),
  }),
  z.strictObject({
    kind: z.literal('s3'),
    endpoint: z.string(),
    publicEndpoint: z.string().optional(),
    region: z.string().optional(),
    accessKey: z.string(),
    secretKey: z.string(),
    forcePathStyle: z.boolean().optional(),
    ca: z.string().optional(),
  }),
]);
