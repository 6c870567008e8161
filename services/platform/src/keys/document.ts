import { ConsiliumError } from '@consilium/protocol';
import { canonicalJson } from './canonical-json.js';
import { type Identity, verify } from './identity.js';

/** Who signed a document, and the base64url signature over its canonical JSON and its purpose. */
export interface DocumentSignature {
  /** Public nkey of the signer. */
  readonly key: string;
  /** base64url without padding, 64 bytes decoded. */
  readonly value: string;
}

const PURPOSE = /^[a-z][a-z0-9-]{0,63}$/;

/**
 * Signs `consilium:<purpose>:v1\n` followed by the canonical JSON of the document. The purpose keeps
 * a signature made for one thing (an update, a manifest) from being shown for another.
 *
 * @throws ConsiliumError TRUST_NOT_CANONICAL
 */
export function signDocument(purpose: string, document: unknown, identity: Identity): DocumentSignature {
  const signature = identity.sign(signedBytes(purpose, document));
  return { key: identity.publicKey, value: Buffer.from(signature).toString('base64url') };
}

/** Whether the signature is of exactly this document, for this purpose, by the key that it names. */
export function isDocumentSignedBy(
  purpose: string,
  document: unknown,
  signature: DocumentSignature,
  publicKey: string,
): boolean {
  if (signature.key !== publicKey) return false;
  const bytes = Buffer.from(signature.value, 'base64url');
  // Buffer skips what is no base64url, so one signature would have many spellings.
  if (bytes.toString('base64url') !== signature.value) return false;
  return verify(publicKey, signedBytes(purpose, document), bytes);
}

/**
 * @param publicKey the key the caller trusts for this document; never taken from the document.
 * @throws ConsiliumError TRUST_BAD_SIGNATURE, TRUST_BAD_KEY, TRUST_NOT_CANONICAL
 */
export function verifyDocument(
  purpose: string,
  document: unknown,
  signature: DocumentSignature,
  publicKey: string,
  where?: string,
): void {
  if (isDocumentSignedBy(purpose, document, signature, publicKey)) return;
  const at = where === undefined ? {} : { where };
  const by = signature.key === publicKey ? publicKey : `${publicKey}, it names ${signature.key}`;
  throw new ConsiliumError('TRUST_BAD_SIGNATURE', `It is not a "${purpose}" signature of ${by}.`, at);
}

function signedBytes(purpose: string, document: unknown): Uint8Array {
  if (!PURPOSE.test(purpose)) throw new TypeError(`"${purpose}" is no purpose: ${PURPOSE.source}`);
  return new TextEncoder().encode(`consilium:${purpose}:v1\n${canonicalJson(document)}`);
}
