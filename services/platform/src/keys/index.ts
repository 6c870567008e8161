export * from './bootstrap/index.js';
export { canonicalJson } from './canonical-json.js';
export { type DocumentSignature, isDocumentSignedBy, signDocument, verifyDocument } from './document.js';
export {
  memoryNonceCache,
  type NonceCache,
  requestHeaders,
  type SignedRequest,
  signRequest,
  type VerifyRequestOptions,
  verifyRequest,
} from './http-request.js';
export {
  createIdentity,
  fingerprint,
  type Identity,
  type IdentityKind,
  identityFromSeed,
  isPublicKey,
  kindOf,
  requirePublicKey,
  verify,
} from './identity.js';
export * from './jwt/index.js';
export {
  createSecretFile,
  loadIdentity,
  loadOrCreateIdentity,
  readSecretFile,
  saveIdentity,
} from './key-file.js';
