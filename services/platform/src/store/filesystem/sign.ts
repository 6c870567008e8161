import { ConsiliumError } from '@consilium/protocol';
import { objectPath } from '../names.js';
import type { SignedDownload, SignedPart, SignedSingleUpload, UploadRequest } from '../types.js';
import { signature, storeQuery } from './wire.js';

/** The same as for S3: a week. */
const maxTtlSeconds = 604_800;

export interface UrlSigner {
  /** The public endpoint. */
  readonly base: URL;
  readonly key: string;
  readonly now: () => number;
}

interface ObjectAt {
  readonly bucket: string;
  readonly key: string;
}

export function signGetUrl(signer: UrlSigner, at: ObjectAt, ttl: number): SignedDownload {
  return signed(signer, 'GET', at, {}, ttl);
}

export function signWholePut(
  signer: UrlSigner,
  at: ObjectAt,
  request: UploadRequest,
  ttl: number,
): SignedSingleUpload {
  const writeOnce = request.writeOnce ?? true;
  const query = {
    [storeQuery.size]: String(request.size),
    [storeQuery.digest]: request.digest,
    ...(writeOnce ? { [storeQuery.once]: '1' } : {}),
    ...(request.contentType === undefined ? {} : { [storeQuery.type]: request.contentType }),
  };
  const headers = {
    'content-length': String(request.size),
    ...(writeOnce ? { 'if-none-match': '*' } : {}),
    ...(request.contentType === undefined ? {} : { 'content-type': request.contentType }),
  };
  return { kind: 'single', headers, ...signed(signer, 'PUT', at, query, ttl) };
}

export function signPart(
  signer: UrlSigner,
  at: ObjectAt,
  uploadId: string,
  part: { readonly number: number; readonly offset: number; readonly size: number },
  ttl: number,
): SignedPart & { expiresAt: number } {
  const query = {
    [storeQuery.uploadId]: uploadId,
    [storeQuery.partNumber]: String(part.number),
    [storeQuery.size]: String(part.size),
  };
  const headers = { 'content-length': String(part.size) };
  return { ...part, headers, ...signed(signer, 'PUT', at, query, ttl) };
}

function signed(
  signer: UrlSigner,
  method: string,
  at: ObjectAt,
  parameters: Readonly<Record<string, string>>,
  ttl: number,
): { url: string; expiresAt: number } {
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > maxTtlSeconds) {
    throw new ConsiliumError(
      'STORE_BAD_REQUEST',
      `A URL cannot live ${ttl} s; 1 to ${maxTtlSeconds} s is possible.`,
    );
  }
  const expires = Math.floor(signer.now() / 1000) + ttl;
  const query = new URLSearchParams({ ...parameters, [storeQuery.expires]: String(expires) });
  const path = objectPath(at.bucket, at.key);
  query.set(storeQuery.signature, signature(signer.key, { method, host: signer.base.host, path, query }));
  return { url: `${signer.base.origin}${path}?${query}`, expiresAt: expires * 1000 };
}
