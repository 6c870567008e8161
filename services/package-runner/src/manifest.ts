import { type Identity, isDocumentSignedBy, signDocument } from '@consilium/platform/keys';
import {
  ConsiliumError,
  digestSchema,
  isoTimeSchema,
  nameSchema,
  publicKeySchema,
  purposes,
  semverSchema,
  signatureSchema,
} from '@consilium/protocol';
import { z } from 'zod';

const programs = z.strictObject({
  init: z.array(z.string()).optional(),
  train: z.array(z.string()).optional(),
  validate: z.array(z.string()).optional(),
  predict: z.array(z.string()).optional(),
});

/** What a publisher signs about an archive (purpose `package-manifest`). */
export const packageContentSchema = z.strictObject({
  schema: z.literal(1),
  name: nameSchema,
  version: semverSchema,
  description: z.string().optional(),
  license: z.string().optional(),
  /** sha256 and bytes of package.tgz. */
  digest: digestSchema,
  size: z.int().positive(),
  /** Every file of the archive, sorted by path. */
  files: z
    .array(
      z.strictObject({
        path: z.string().min(1),
        size: z.int().nonnegative(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits'),
      }),
    )
    .min(1),
  runtime: z.enum(['node', 'process']),
  /** Runtime node: the sdk versions it works with. */
  sdk: z.string().optional(),
  /** Whether all entries can run in a warm worker. */
  worker: z.boolean(),
  /** node: one path; process: an argv. */
  entry: programs,
  /** JSON schema of the configuration. */
  config: z.record(z.string(), z.unknown()),
  /** Units resolved: bytes, seconds. */
  resources: z.strictObject({
    memory: z.int().positive().optional(),
    cpus: z.number().positive().optional(),
    timeout: z.number().positive().optional(),
    network: z.enum(['none', 'any']),
    accelerator: z.enum(['none', 'optional', 'required']),
  }),
  metrics: z.strictObject({ primary: z.string(), maximize: z.boolean() }).optional(),
  parts: z.array(z.string()),
  created_at: isoTimeSchema,
  publisher: publicKeySchema,
});
export type PackageContent = z.infer<typeof packageContentSchema>;

/** `manifest.json` beside `package.tgz`. */
export const packageManifestSchema = z.strictObject({
  content: packageContentSchema,
  signature: z.strictObject({ key: publicKeySchema, value: signatureSchema }),
});
export type PackageManifest = z.infer<typeof packageManifestSchema>;

export function signPackage(content: Omit<PackageContent, 'publisher'>, identity: Identity): PackageManifest {
  const signed = packageContentSchema.parse({ ...content, publisher: identity.publicKey });
  return { content: signed, signature: { ...signDocument(purposes.package, signed, identity) } };
}

/** Whom a site allows. */
export interface AllowedPackages {
  /** Public keys of publishers. */
  readonly signers: readonly string[];
  /** Archives that may run whoever signed them. */
  readonly digests?: readonly string[];
}

/**
 * Checks form, signature and signer of a manifest that came from elsewhere. A signature is needed
 * even for an archive that is allowed by its digest: the manifest says how it is run.
 *
 * @param allowed `'anyone'` checks the signature but not who made it (registry, listing).
 * @throws ConsiliumError PKG_BAD_MANIFEST, PKG_UNSIGNED, PKG_BAD_SIGNATURE, PKG_SIGNER_NOT_ALLOWED
 */
export function verifyManifest(
  document: unknown,
  allowed: AllowedPackages | 'anyone',
  where = 'manifest.json',
): PackageManifest {
  if (isObject(document) && isObject(document.content) && !isObject(document.signature)) {
    throw new ConsiliumError('PKG_UNSIGNED', 'The manifest has no signature.', { where });
  }
  const result = packageManifestSchema.safeParse(document);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const field = issue.path.map(String).join('.');
    throw new ConsiliumError('PKG_BAD_MANIFEST', `${field === '' ? '' : `${field}: `}${issue.message}.`, {
      where,
    });
  }
  const { content, signature } = result.data;
  if (content.publisher !== signature.key) {
    const detail = `It names ${content.publisher} as publisher and carries a signature of ${signature.key}.`;
    throw new ConsiliumError('PKG_BAD_SIGNATURE', detail, { where });
  }
  // What is checked is what was received, not what the schema made of it.
  if (
    !isDocumentSignedBy(
      purposes.package,
      (document as { content: unknown }).content,
      signature,
      signature.key,
    )
  ) {
    throw new ConsiliumError(
      'PKG_BAD_SIGNATURE',
      `It is not a signature of ${signature.key} over this manifest.`,
      { where },
    );
  }
  if (
    allowed !== 'anyone' &&
    !allowed.signers.includes(signature.key) &&
    allowed.digests?.includes(content.digest) !== true
  ) {
    const detail = `${content.name} ${content.version} is signed by ${signature.key}.`;
    throw new ConsiliumError('PKG_SIGNER_NOT_ALLOWED', detail, { where });
  }
  return result.data;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
