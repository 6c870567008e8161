import type { IncomingMessage } from 'node:http';
import {
  coveredHeaders,
  parseAuthorization,
  type SignedParts,
  signatureMatches,
  storeQuery,
} from '@consilium/platform/store';
import { ConsiliumError } from '@consilium/protocol';

/** Who asks: a service may do anything, a URL what it says. */
export type Access = 'service' | 'url';

/** A request's address, as it was sent. */
export interface Target {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly bucket: string;
  /** Empty for a bucket. */
  readonly key: string;
}

/** @throws STORE_BAD_URL for what is not `/<bucket>[/<key>][?…]`. Names are checked where they are used. */
export function parseTarget(request: IncomingMessage): Target {
  const raw = request.url ?? '';
  const at = raw.indexOf('?');
  const path = at < 0 ? raw : raw.slice(0, at);
  if (!path.startsWith('/')) throw badUrl('The path does not start with /.');
  const segments = path.slice(1).split('/').map(decoded);
  const [bucket = '', ...rest] = segments;
  // An encoded slash would make two addresses of one object.
  if (segments.some((s) => s.includes('/'))) throw badUrl('A part of the path has an encoded slash.');
  const query = new URLSearchParams(at < 0 ? '' : raw.slice(at + 1));
  for (const name of new Set(query.keys())) {
    if (query.getAll(name).length > 1) throw badUrl(`The parameter ${JSON.stringify(name)} comes twice.`);
  }
  return { method: request.method ?? '', path, query, bucket, key: rest.join('/') };
}

/**
 * Checks a request against every key that the server has (two of them while keys are changed).
 * @throws STORE_DENIED without a valid signature; STORE_URL_EXPIRED with one that is too old
 */
export function checkAccess(
  request: IncomingMessage,
  target: Target,
  keys: readonly string[],
  now: number,
): Access {
  const { method, path, query } = target;
  const base = { method, path, query, host: request.headers.host ?? '' };
  const where = `${method} ${path}`;
  const inUrl = query.get(storeQuery.signature);
  if (inUrl !== null) {
    requireMatch(keys, base, inUrl, where);
    requireTime(Number(query.get(storeQuery.expires) ?? 'NaN'), now, where);
    return 'url';
  }
  const given = parseAuthorization(request.headers.authorization ?? '');
  if (given === undefined) {
    throw new ConsiliumError('STORE_DENIED', 'The request is not signed.', { where });
  }
  const headers = Object.fromEntries(
    coveredHeaders.map((name) => {
      const value = request.headers[name];
      return [name, Array.isArray(value) ? value.join(',') : value];
    }),
  );
  requireMatch(keys, { ...base, headers, expires: given.expires }, given.signature, where);
  requireTime(given.expires, now, where);
  return 'service';
}

function requireMatch(keys: readonly string[], parts: SignedParts, given: string, where: string): void {
  // No early exit: how long it takes must not tell which key it was.
  let matches = false;
  for (const key of keys) matches = signatureMatches(key, parts, given) || matches;
  if (matches) return;
  throw new ConsiliumError(
    'STORE_DENIED',
    'The signature does not fit the method, the host name, the path or the parameters.',
    { where },
  );
}

function requireTime(expires: number, now: number, where: string): void {
  if (expires * 1000 > now) return;
  throw new ConsiliumError('STORE_URL_EXPIRED', `It ended at ${expires} (Unix seconds).`, { where });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badUrl('The path is not validly percent-encoded.');
  }
}

function badUrl(detail: string): ConsiliumError {
  return new ConsiliumError('STORE_BAD_URL', detail);
}
