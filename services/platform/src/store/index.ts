export { parseStoreUrl, storeFromConfig } from './config.js';
export { checkContent, checkDigest, Digester, digestOf, sha256 } from './digest.js';
export { endpointUrl } from './endpoint.js';
export {
  checkStoreKey,
  coveredHeaders,
  parseAuthorization,
  type SignedParts,
  signatureMatches,
  storeHeader,
  storeQuery,
} from './filesystem/wire.js';
export { checkBucket, checkKey, objectPath } from './names.js';
export { maxParts } from './put-stream.js';
export { readBytes } from './read-bytes.js';
export { type FileSource, fileSource, objectSource } from './source.js';
export type * from './types.js';
