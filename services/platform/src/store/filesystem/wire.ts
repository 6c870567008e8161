import { createHmac, timingSafeEqual } from 'node:crypto';
import { ConsiliumError } from '@consilium/protocol';
import { encodePart } from '../names.js';

/**
 * How requests to the store server are signed; the server verifies with the same functions.
 *
 * A signed URL carries everything it allows in its query, so it covers method, host, path, expiry, size, digest
 * and write-once. A service signs its own requests the same way, plus the headers below, in `Authorization`.
 */
export const storeQuery = {
  expires: 'x-c-expires',
  size: 'x-c-size',
  digest: 'x-c-digest',
  once: 'x-c-once',
  type: 'x-c-type',
  signature: 'x-c-signature',
  uploads: 'uploads',
  uploadId: 'uploadId',
  partNumber: 'partNumber',
  partSize: 'partSize',
  list: 'list',
  prefix: 'prefix',
  after: 'after',
} as const;

export const storeHeader = {
  digest: 'x-consilium-digest',
  size: 'x-consilium-size',
  modified: 'x-consilium-modified',
  code: 'x-consilium-code',
} as const;

/** Headers that a service's signature covers, present or not. */
export const coveredHeaders = [
  'content-length',
  'content-type',
  'if-match',
  'if-none-match',
  'range',
  storeHeader.digest,
  storeHeader.size,
] as const;

export const serviceScheme = 'Consilium-HMAC-SHA256';
const shortestKey = 32;

export interface SignedParts {
  readonly method: string;
  /** As in the Host header: name and, unless it is the default one, port. */
  readonly host: string;
  /** As sent, percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Unix seconds; for a URL it is part of the query. */
  readonly expires?: number;
  /** Given for a service request only. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** @throws STORE_BAD_CONFIG for a key that can be guessed. */
export function checkStoreKey(key: string, where = 'key'): void {
  if (key.length >= shortestKey) return;
  throw new ConsiliumError(
    'STORE_BAD_CONFIG',
    `The service credential has ${key.length} characters; at least ${shortestKey} are needed.`,
    { where },
  );
}

/** HMAC-SHA256, base64url. */
export function signature(key: string, parts: SignedParts): string {
  return createHmac('sha256', key).update(stringToSign(parts)).digest('base64url');
}

/** Compares in constant time, whatever the given text is. */
export function signatureMatches(key: string, parts: SignedParts, given: string): boolean {
  const expected = createHmac('sha256', key).update(stringToSign(parts)).digest();
  const actual = Buffer.from(given, 'base64url');
  // base64url decoding skips what is not base64url: only the one canonical spelling counts.
  if (actual.length !== expected.length || actual.toString('base64url') !== given) return false;
  return timingSafeEqual(expected, actual);
}

export function authorization(expires: number, signed: string): string {
  return `${serviceScheme} expires=${expires}, signature=${signed}`;
}

export function parseAuthorization(header: string): { expires: number; signature: string } | undefined {
  const match = /^Consilium-HMAC-SHA256 expires=(\d{1,12}), signature=([A-Za-z0-9_-]+)$/.exec(header);
  return match === null ? undefined : { expires: Number(match[1]), signature: match[2] ?? '' };
}

/** Fields are separated by line feeds, which none of them can contain: values are percent-encoded or headers. */
function stringToSign(parts: SignedParts): string {
  const query = [...parts.query]
    .filter(([name]) => name !== storeQuery.signature)
    .map(([name, value]) => `${encodePart(name)}=${encodePart(value)}`)
    .sort();
  const lines = [
    'consilium-store-v1',
    parts.headers === undefined ? 'url' : 'service',
    parts.method,
    parts.host.toLowerCase(),
    parts.path,
    query.join('&'),
  ];
  if (parts.headers !== undefined) {
    lines.push(String(parts.expires ?? 0));
    for (const name of coveredHeaders) {
      const value = parts.headers[name] ?? '';
      // An empty body is sent with or without a length, as the HTTP library likes.
      lines.push(`${name}:${name === 'content-length' && value === '0' ? '' : value}`);
    }
  }
  return lines.join('\n');
}
