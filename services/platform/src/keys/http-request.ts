import { ConsiliumError } from '@consilium/protocol';
import { type DocumentSignature, signDocument, verifyDocument } from './document.js';
import { type Identity, requirePublicKey } from './identity.js';

/** What a signed HTTP request vouches for. */
export interface SignedRequest {
  /** Upper case, such as `POST`. */
  readonly method: string;
  /** Path with query, exactly as sent: `/api/v1/enrol?x=1`. */
  readonly path: string;
  /** Digest of the body, such as `sha256:<hex>`; of the empty body if there is none. */
  readonly bodyDigest: string;
  /** Milliseconds since 1970 by the signer's clock. */
  readonly time: number;
  /** At least 16 random bytes as text, new for every request. */
  readonly nonce: string;
}

/** Remembers nonces until they are too old to be accepted anyway. */
export interface NonceCache {
  /** True the first time a key is claimed; false when it was claimed before. `until` in ms since 1970. */
  claim(key: string, until: number): boolean | Promise<boolean>;
}

export const requestHeaders = {
  key: 'consilium-key',
  time: 'consilium-time',
  nonce: 'consilium-nonce',
  digest: 'consilium-digest',
  signature: 'consilium-signature',
} as const;

const PURPOSE = 'http-request';
const NONCE = /^[A-Za-z0-9_-]{16,128}$/;

/** The headers that sign a request. @throws ConsiliumError TRUST_NOT_CANONICAL */
export function signRequest(request: SignedRequest, identity: Identity): Record<string, string> {
  const { value } = signDocument(PURPOSE, content(request), identity);
  return {
    [requestHeaders.key]: identity.publicKey,
    [requestHeaders.time]: String(request.time),
    [requestHeaders.nonce]: request.nonce,
    [requestHeaders.digest]: request.bodyDigest,
    [requestHeaders.signature]: value,
  };
}

/** A received request and what it takes to judge it. */
export interface VerifyRequestOptions {
  readonly method: string;
  readonly path: string;
  /** Digest of the body as received; never the header's. */
  readonly bodyDigest: string;
  /** Header names in lower case, as Node gives them. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How far the clocks may be apart, in ms. */
  readonly maxSkewMs?: number;
  readonly nonces: NonceCache;
  /**
   * Throws for a key that nobody has enrolled. Asked before the nonce is noted: anybody can make keys, and
   * those of strangers must not fill the cache.
   */
  readonly known?: (publicKey: string) => unknown;
}

/**
 * Checks signature, clock, `known` and replay, in that order, and returns who signed. Whether that key
 * may do what it asks is the caller's question.
 *
 * @throws ConsiliumError TRUST_UNAUTHENTICATED (a header is missing or malformed), TRUST_BAD_KEY,
 *   TRUST_BAD_SIGNATURE, TRUST_CLOCK_SKEW, TRUST_REPLAY
 */
export async function verifyRequest(options: VerifyRequestOptions): Promise<{ publicKey: string }> {
  const { method, path, bodyDigest, headers, now, nonces, maxSkewMs = 5 * 60_000 } = options;
  const header = (name: string): string => {
    const value = headers[name];
    if (typeof value === 'string' && value !== '') return value;
    throw new ConsiliumError('TRUST_UNAUTHENTICATED', `The header ${name} is missing.`, { where: path });
  };
  const publicKey = requirePublicKey(header(requestHeaders.key), requestHeaders.key);
  const time = Number(header(requestHeaders.time));
  const nonce = header(requestHeaders.nonce);
  if (!Number.isSafeInteger(time) || !NONCE.test(nonce)) {
    throw new ConsiliumError('TRUST_UNAUTHENTICATED', 'Time or nonce is malformed.', { where: path });
  }
  const signature: DocumentSignature = { key: publicKey, value: header(requestHeaders.signature) };
  verifyDocument(PURPOSE, content({ method, path, bodyDigest, time, nonce }), signature, publicKey, path);
  if (Math.abs(now - time) > maxSkewMs) {
    const off = Math.round((now - time) / 1000);
    const detail = `The clocks are ${off} s apart, ${maxSkewMs / 1000} s are allowed.`;
    throw new ConsiliumError('TRUST_CLOCK_SKEW', detail, { where: path });
  }
  await options.known?.(publicKey);
  if (!(await nonces.claim(`${publicKey}.${nonce}`, time + maxSkewMs))) {
    throw new ConsiliumError('TRUST_REPLAY', 'Its nonce was used before.', { where: path });
  }
  return { publicKey };
}

function content(request: SignedRequest): Record<string, unknown> {
  const { method, path, bodyDigest, time, nonce } = request;
  return { method: method.toUpperCase(), path, bodyDigest, time, nonce };
}

/**
 * A nonce cache in this process's memory. It holds at most `limit` live nonces, `perKey` of one key, and
 * refuses further requests beyond that (as replays) rather than forget one that could still be replayed.
 * @param now milliseconds since 1970
 */
export function memoryNonceCache(now: () => number, limit = 100_000, perKey = 1000): NonceCache {
  const byKey = new Map<string, Map<string, number>>();
  let size = 0;
  const forgetOld = (owner: string): void => {
    const seen = byKey.get(owner);
    if (seen === undefined) return;
    const time = now();
    const before = seen.size;
    for (const [old, end] of seen) if (end < time) seen.delete(old);
    size -= before - seen.size;
    if (seen.size === 0) byKey.delete(owner);
  };
  return {
    claim(key, until) {
      const owner = key.slice(0, key.indexOf('.'));
      if (byKey.get(owner)?.has(key)) return false;
      if ((byKey.get(owner)?.size ?? 0) >= perKey) forgetOld(owner);
      if ((byKey.get(owner)?.size ?? 0) >= perKey) return false;
      if (size >= limit) for (const other of [...byKey.keys()]) forgetOld(other);
      if (size >= limit) return false;
      const seen = byKey.get(owner) ?? new Map<string, number>();
      byKey.set(owner, seen.set(key, until));
      size += 1;
      return true;
    },
  };
}
