import { canonicalJson, type Identity, sha256, signDocument, verifyDocument } from '@consilium/platform';
import {
  ConsiliumError,
  type Heads,
  headsSchema,
  type ManifestContent,
  type ModelManifest,
  modelManifestSchema,
  purposes,
} from '@consilium/protocol';
import type { z } from 'zod';

/** A model's id: sha256 of the canonical JSON of what its manifest signs. */
export function modelIdOf(content: ManifestContent): string {
  return sha256(canonicalJson(content));
}

/** The signed manifest of a model. Same content, same key: same bytes. */
export function makeManifest(content: ManifestContent, reducer: Identity): ModelManifest {
  return { id: modelIdOf(content), content, signature: signDocument(purposes.manifest, content, reducer) };
}

export function makeHeads(content: Heads['content'], reducer: Identity): Heads {
  return { content, signature: signDocument(purposes.heads, content, reducer) };
}

/**
 * The one way a document of the trail is written: readable, keys sorted, a newline at the end. Reading
 * insists on these very bytes, so that no byte of the file is outside what was signed.
 */
export function documentBytes(document: ModelManifest | Heads): Uint8Array {
  const sorted: unknown = JSON.parse(canonicalJson(document));
  return new TextEncoder().encode(`${JSON.stringify(sorted, null, 2)}\n`);
}

/**
 * @param key the reducer's public key that the caller trusts.
 * @throws TRAIL_BAD_MANIFEST
 */
export function readManifest(bytes: Uint8Array, key: string, where: string): ModelManifest {
  const manifest = parse(bytes, modelManifestSchema, 'TRAIL_BAD_MANIFEST', where);
  checkSignature('TRAIL_BAD_MANIFEST', purposes.manifest, manifest, key, where);
  const id = modelIdOf(manifest.content);
  if (id !== manifest.id) {
    throw new ConsiliumError('TRAIL_BAD_MANIFEST', `Its content has the id ${id}, it says ${manifest.id}.`, {
      where,
    });
  }
  return manifest;
}

/** @throws TRAIL_BAD_HEADS */
export function readHeads(bytes: Uint8Array, key: string, where: string): Heads {
  const heads = parse(bytes, headsSchema, 'TRAIL_BAD_HEADS', where);
  checkSignature('TRAIL_BAD_HEADS', purposes.heads, heads, key, where);
  return heads;
}

type DocumentError = 'TRAIL_BAD_MANIFEST' | 'TRAIL_BAD_HEADS';

function parse<T extends ModelManifest | Heads>(
  bytes: Uint8Array,
  schema: z.ZodType<T>,
  code: DocumentError,
  where: string,
): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ConsiliumError(code, 'It is not readable as JSON.', { where, cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ConsiliumError(code, `${issue?.path.join('.')}: ${issue?.message}.`, { where });
  }
  // Defaults that the schema fills in would show here as a difference too.
  if (Buffer.compare(documentBytes(parsed.data), bytes) !== 0) {
    throw new ConsiliumError(code, 'Its bytes are not those that were written.', { where });
  }
  return parsed.data;
}

function checkSignature(
  code: DocumentError,
  purpose: string,
  document: { content: unknown; signature: { key: string; value: string } },
  key: string,
  where: string,
): void {
  try {
    verifyDocument(purpose, document.content, document.signature, key, where);
  } catch (cause) {
    const detail = cause instanceof ConsiliumError ? cause.detail : String(cause);
    throw new ConsiliumError(code, detail, { where, cause });
  }
}
