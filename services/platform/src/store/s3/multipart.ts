import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { ConsiliumError } from '@consilium/protocol';
import type { Digest, SentPart } from '../types.js';

/** One multipart upload's requests, each sent once: the caller retries. */
export interface UploadAt {
  readonly bucket: string;
  readonly key: string;
}

export interface StoredPart {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
}

export async function createUpload(
  client: S3Client,
  at: UploadAt,
  options: { readonly digest?: Digest | undefined; readonly contentType?: string | undefined },
  abortSignal?: AbortSignal,
): Promise<string> {
  const answer = await client.send(
    new CreateMultipartUploadCommand({
      Bucket: at.bucket,
      Key: at.key,
      ...(options.digest === undefined ? {} : { Metadata: { sha256: options.digest } }),
      ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
    }),
    abortSignal === undefined ? {} : { abortSignal },
  );
  return required(answer.UploadId, 'UploadId', at);
}

export async function sendPart(
  client: S3Client,
  at: UploadAt,
  uploadId: string,
  number: number,
  bytes: Uint8Array,
  abortSignal?: AbortSignal,
): Promise<string> {
  const answer = await client.send(
    new UploadPartCommand({
      Bucket: at.bucket,
      Key: at.key,
      UploadId: uploadId,
      PartNumber: number,
      Body: bytes,
      ContentLength: bytes.byteLength,
    }),
    abortSignal === undefined ? {} : { abortSignal },
  );
  return required(answer.ETag, 'ETag', at);
}

/** The parts that the store has, by number. */
export async function listParts(client: S3Client, at: UploadAt, uploadId: string): Promise<StoredPart[]> {
  const parts: StoredPart[] = [];
  let marker: string | undefined;
  do {
    const page = await client.send(
      new ListPartsCommand({
        Bucket: at.bucket,
        Key: at.key,
        UploadId: uploadId,
        ...(marker === undefined ? {} : { PartNumberMarker: marker }),
      }),
    );
    for (const part of page.Parts ?? []) {
      parts.push({
        number: required(part.PartNumber, 'PartNumber', at),
        size: required(part.Size, 'Size', at),
        etag: required(part.ETag, 'ETag', at),
      });
    }
    marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
  } while (marker !== undefined && marker !== '');
  return parts.sort((a, b) => a.number - b.number);
}

export async function finishUpload(
  client: S3Client,
  at: UploadAt,
  uploadId: string,
  parts: readonly { readonly number: number; readonly etag: string }[],
  condition: { readonly writeOnce?: boolean | undefined; readonly ifMatch?: string | undefined },
): Promise<string> {
  const answer = await client.send(
    new CompleteMultipartUploadCommand({
      Bucket: at.bucket,
      Key: at.key,
      UploadId: uploadId,
      MultipartUpload: { Parts: parts.map((p) => ({ PartNumber: p.number, ETag: p.etag })) },
      ...(condition.writeOnce ? { IfNoneMatch: '*' } : {}),
      ...(condition.ifMatch === undefined ? {} : { IfMatch: quoted(condition.ifMatch) }),
    }),
  );
  return unquoted(required(answer.ETag, 'ETag', at));
}

export async function dropUpload(client: S3Client, at: UploadAt, uploadId: string): Promise<void> {
  await client.send(new AbortMultipartUploadCommand({ Bucket: at.bucket, Key: at.key, UploadId: uploadId }));
}

/** @throws STORE_UPLOAD_INCOMPLETE, STORE_SIZE_MISMATCH */
export function checkParts(
  parts: readonly { number: number; size: number }[],
  size: number,
  where: string,
): void {
  let total = 0;
  for (const [index, part] of parts.entries()) {
    if (part.number !== index + 1) {
      throw new ConsiliumError('STORE_UPLOAD_INCOMPLETE', `Part ${index + 1} is missing.`, { where });
    }
    total += part.size;
  }
  if (total < size) {
    throw new ConsiliumError('STORE_UPLOAD_INCOMPLETE', `The parts have ${total} of ${size} bytes.`, {
      where,
    });
  }
  if (total > size) {
    throw new ConsiliumError('STORE_SIZE_MISMATCH', `The parts have ${total} bytes, stated were ${size}.`, {
      where,
    });
  }
}

/**
 * A request that was cut off and given up may still end up as a part, after the whole one that replaced it.
 * @throws STORE_UPLOAD_INCOMPLETE
 */
export function checkSent(stored: readonly StoredPart[], sent: readonly SentPart[], where: string): void {
  const etags = new Map(sent.map((part) => [part.number, unquoted(part.etag)]));
  for (const part of stored) {
    const etag = etags.get(part.number);
    if (etag === unquoted(part.etag)) continue;
    throw new ConsiliumError(
      'STORE_UPLOAD_INCOMPLETE',
      `Part ${part.number} is not the one that was sent: ${part.etag} instead of ${etag ?? 'none'}.`,
      { where },
    );
  }
}

export function unquoted(etag: string): string {
  return etag.replace(/^"|"$/g, '');
}

export function quoted(etag: string): string {
  return `"${unquoted(etag)}"`;
}

function required<T>(value: T | undefined, field: string, at: UploadAt): T {
  if (value !== undefined) return value;
  throw new ConsiliumError('STORE_UNAVAILABLE', `The S3 server's answer has no ${field}.`, {
    where: `${at.bucket}/${at.key}`,
  });
}
