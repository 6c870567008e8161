import { z } from 'zod';
import { digestSchema, modelNumber, type PhaseRef } from './ids.js';

/** Buckets of the object store. `models` is the trail, `packages` the registry, `work` what rounds need. */
export const buckets = {
  models: 'consilium-models',
  packages: 'consilium-packages',
  work: 'consilium-work',
} as const;
export type BucketName = (typeof buckets)[keyof typeof buckets];

/** Where a stored object lies and what it must contain. */
export const objectRefSchema = z.strictObject({
  bucket: z.enum([buckets.models, buckets.packages, buckets.work]),
  key: z.string().min(1).max(900),
  digest: digestSchema,
  size: z.int().nonnegative(),
});
export type ObjectRef = z.infer<typeof objectRefSchema>;

export const objectKeys = {
  modelFolder: (session: string, number: number, id: string): string =>
    `trail/${session}/${modelNumber(number)}-${id}`,
  weights: (session: string, number: number, id: string): string =>
    `${objectKeys.modelFolder(session, number, id)}/weights.npz`,
  manifest: (session: string, number: number, id: string): string =>
    `${objectKeys.modelFolder(session, number, id)}/manifest.json`,
  heads: (session: string): string => `heads/${session}.json`,
  packageArchive: (name: string, version: string): string => `${name}/${version}/package.tgz`,
  packageManifest: (name: string, version: string): string => `${name}/${version}/manifest.json`,
  /** What one site sent in one attempt; the digest is in the name, so a retry with other bytes is another object. */
  update: (phase: PhaseRef, client: string, digest: string): string =>
    `updates/${phase.session}/${phase.round}-${phase.attempt}/${client}/${hex(digest)}.npz`,
  partial: (phase: PhaseRef, combiner: string, epoch: number, digest: string): string =>
    `partials/${phase.session}/${phase.round}-${phase.attempt}/${combiner}-${epoch}-${hex(digest)}.npz`,
  report: (phase: PhaseRef, combiner: string, epoch: number, digest: string): string =>
    `reports/${phase.session}/${phase.round}-${phase.attempt}-${phase.kind}/${combiner}-${epoch}-${hex(digest)}.json`,
  candidate: (session: string, round: number, digest: string): string =>
    `candidates/${session}/${round}-${hex(digest)}.npz`,
  /** Seed models and package archives on their way in, by content. */
  upload: (digest: string): string => `uploads/${hex(digest)}`,
} as const;

function hex(digest: string): string {
  return digest.slice('sha256:'.length);
}
