import { GetObjectCommand, PutObjectCommand, type S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { ConsiliumError } from '@consilium/protocol';
import { digestToBase64 } from '../digest.js';
import type { SignedDownload, SignedPart, SignedSingleUpload, UploadRequest } from '../types.js';

/** S3's limit: a week. */
const maxTtlSeconds = 604_800;

export interface Signer {
  readonly client: S3Client;
  readonly now: () => number;
}

export interface ObjectAt {
  readonly bucket: string;
  readonly key: string;
}

export async function signGetUrl(signer: Signer, at: ObjectAt, ttl: number): Promise<SignedDownload> {
  const times = signingTimes(signer, ttl);
  const command = new GetObjectCommand({ Bucket: at.bucket, Key: at.key });
  return { url: await getSignedUrl(signer.client, command, times.sdk), expiresAt: times.expiresAt };
}

/**
 * Length, condition and SHA-256 are signed as headers, so the client must send just these and the store checks
 * the body against them.
 */
export async function signWholePut(
  signer: Signer,
  at: ObjectAt,
  request: UploadRequest,
  ttl: number,
): Promise<SignedSingleUpload> {
  const times = signingTimes(signer, ttl);
  const writeOnce = request.writeOnce ?? true;
  const command = new PutObjectCommand({
    Bucket: at.bucket,
    Key: at.key,
    ContentLength: request.size,
    ChecksumSHA256: digestToBase64(request.digest),
    Metadata: { sha256: request.digest },
    ...(writeOnce ? { IfNoneMatch: '*' } : {}),
    ...(request.contentType === undefined ? {} : { ContentType: request.contentType }),
  });
  const headers = {
    'content-length': String(request.size),
    'x-amz-checksum-sha256': digestToBase64(request.digest),
    'x-amz-meta-sha256': request.digest,
    ...(writeOnce ? { 'if-none-match': '*' } : {}),
    ...(request.contentType === undefined ? {} : { 'content-type': request.contentType }),
  };
  const url = await getSignedUrl(signer.client, command, {
    ...times.sdk,
    // What is hoisted into the query is not a header any more, and some servers look at headers only.
    unhoistableHeaders: new Set(['x-amz-checksum-sha256', 'x-amz-meta-sha256']),
    signableHeaders: new Set(['host', ...Object.keys(headers)]),
  });
  return { kind: 'single', url, headers, expiresAt: times.expiresAt };
}

export async function signPart(
  signer: Signer,
  at: ObjectAt,
  uploadId: string,
  part: { readonly number: number; readonly offset: number; readonly size: number },
  ttl: number,
): Promise<SignedPart & { expiresAt: number }> {
  const times = signingTimes(signer, ttl);
  const headers = { 'content-length': String(part.size) };
  const command = new UploadPartCommand({
    Bucket: at.bucket,
    Key: at.key,
    UploadId: uploadId,
    PartNumber: part.number,
    ContentLength: part.size,
  });
  const url = await getSignedUrl(signer.client, command, {
    ...times.sdk,
    signableHeaders: new Set(['host', ...Object.keys(headers)]),
  });
  return { ...part, url, headers, expiresAt: times.expiresAt };
}

function signingTimes(signer: Signer, ttl: number) {
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > maxTtlSeconds) {
    throw new ConsiliumError(
      'STORE_BAD_REQUEST',
      `A URL cannot live ${ttl} s; 1 to ${maxTtlSeconds} s is possible.`,
    );
  }
  // Signed times have whole seconds.
  const now = Math.floor(signer.now() / 1000) * 1000;
  return { sdk: { expiresIn: ttl, signingDate: new Date(now) }, expiresAt: now + ttl * 1000 };
}
