import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ConsiliumError } from '@consilium/protocol';
import type { Digest, ObjectInfo, PutOptions, PutResult } from '../types.js';
import { abortable, call, hasCode, type ObjectAt, type S3Context, whereOf } from './calls.js';
import { dropUpload, finishUpload, quoted, unquoted } from './multipart.js';

interface Content {
  readonly size: number;
  readonly digest: Digest;
}

interface Condition {
  readonly writeOnce?: boolean;
  readonly ifMatch?: string;
  readonly signal?: AbortSignal;
}

export async function putWhole(
  context: S3Context,
  at: ObjectAt,
  bytes: Uint8Array,
  digest: Digest,
  options: PutOptions,
): Promise<PutResult> {
  const size = bytes.byteLength;
  const command = new PutObjectCommand({
    Bucket: at.bucket,
    Key: at.key,
    Body: bytes,
    ContentLength: size,
    Metadata: { sha256: digest },
    ...(options.writeOnce ? { IfNoneMatch: '*' } : {}),
    ...(options.ifMatch === undefined ? {} : { IfMatch: quoted(options.ifMatch) }),
    ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
  });
  const etag = await conditionalWrite(context, at, { size, digest }, options, async () => {
    const answer = await context.client.send(command, abortable(options.signal));
    return unquoted(answer.ETag ?? '');
  });
  return { digest, size, etag };
}

/** Completes an upload; one that lost to an object that is there already is dropped. */
export async function finishConditionally(
  context: S3Context,
  at: ObjectAt,
  uploadId: string,
  parts: readonly { readonly number: number; readonly etag: string }[],
  content: Content,
  condition: Condition,
): Promise<string> {
  try {
    return await conditionalWrite(context, at, content, condition, () =>
      finishUpload(context.client, at, uploadId, parts, condition),
    );
  } catch (error) {
    if (hasCode(error, 'STORE_EXISTS')) {
      await call(context, whereOf(at), () => dropUpload(context.client, at, uploadId)).catch((dropError) => {
        if (!hasCode(dropError, 'STORE_NO_UPLOAD')) throw dropError;
      });
    }
    throw error;
  }
}

export async function headObject(context: S3Context, at: ObjectAt): Promise<ObjectInfo> {
  return await call(context, whereOf(at), async () => {
    const answer = await context.client.send(new HeadObjectCommand({ Bucket: at.bucket, Key: at.key }));
    const digest = answer.Metadata?.sha256;
    return {
      ...at,
      size: answer.ContentLength ?? 0,
      etag: unquoted(answer.ETag ?? ''),
      modified: answer.LastModified?.getTime() ?? 0,
      ...(digest === undefined ? {} : { digest }),
      ...(answer.ContentType === undefined ? {} : { contentType: answer.ContentType }),
    };
  });
}

/** The object, if it is there and was written with this size and digest. */
export async function sameObject(
  context: S3Context,
  at: ObjectAt,
  content: Content,
): Promise<ObjectInfo | undefined> {
  try {
    const info = await headObject(context, at);
    return info.size === content.size && info.digest === content.digest ? info : undefined;
  } catch (error) {
    if (hasCode(error, 'STORE_NOT_FOUND')) return undefined;
    throw error;
  }
}

/**
 * A write whose answer got lost may have worked; repeated, it is refused because of itself. So a refusal of a
 * repeated write counts as success where the object has just these bytes.
 */
async function conditionalWrite(
  context: S3Context,
  at: ObjectAt,
  content: Content,
  condition: Condition,
  write: () => Promise<string>,
): Promise<string> {
  let tries = 0;
  try {
    const onPrecondition = condition.writeOnce ? 'STORE_EXISTS' : 'STORE_PRECONDITION';
    return await call(
      context,
      whereOf(at),
      (attempt) => {
        tries = attempt;
        return write();
      },
      { onPrecondition, signal: condition.signal },
    );
  } catch (error) {
    if (tries > 1 && hasCode(error, 'STORE_EXISTS', 'STORE_PRECONDITION', 'STORE_NO_UPLOAD')) {
      const same = await sameObject(context, at, content);
      if (same !== undefined) return same.etag;
    }
    if (condition.ifMatch !== undefined && hasCode(error, 'STORE_NOT_FOUND')) {
      throw new ConsiliumError('STORE_PRECONDITION', 'There is no object to replace.', {
        where: whereOf(at),
        cause: error,
      });
    }
    throw error;
  }
}
