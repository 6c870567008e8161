import { randomUUID } from 'node:crypto';
import { CreateBucketCommand, HeadBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ConsiliumError } from '@consilium/protocol';
import { call, hasCode, type S3Context, whereOf } from './calls.js';
import { fromS3Error } from './errors.js';
import { createUpload, dropUpload, finishUpload, sendPart } from './multipart.js';

/** Creates a bucket unless it is there. */
export async function ensureBucket(context: S3Context, bucket: string, region: string): Promise<void> {
  await call(context, bucket, async () => {
    try {
      await context.client.send(new HeadBucketCommand({ Bucket: bucket }));
      return;
    } catch (error) {
      const known = fromS3Error(error, bucket);
      if (!hasCode(known, 'STORE_NOT_FOUND', 'STORE_NO_BUCKET')) throw known;
    }
    try {
      await context.client.send(
        new CreateBucketCommand({
          Bucket: bucket,
          // us-east-1 is the one region that must not be named. The SDK's type lists the rest of AWS only.
          ...(region === 'us-east-1'
            ? {}
            : { CreateBucketConfiguration: { LocationConstraint: region as 'eu-west-1' } }),
        }),
      );
    } catch (error) {
      const name = error instanceof Error ? error.name : '';
      // Two services start at once: the other one made it.
      if (name !== 'BucketAlreadyOwnedByYou' && name !== 'BucketAlreadyExists') throw error;
    }
  });
}

/**
 * Completes a one-part upload onto an object that is there; the store must answer 412.
 * @throws STORE_NO_CONDITIONAL_WRITES
 */
export async function proveMultipartWriteOnce(
  context: S3Context,
  bucket: string,
  remove: (key: string) => Promise<void>,
): Promise<void> {
  const at = { bucket, key: `.probe/${randomUUID()}` };
  const bytes = Buffer.from('probe');
  const { client } = context;
  await call(context, whereOf(at), () =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key: at.key, Body: bytes })),
  );
  try {
    const uploadId = await call(context, whereOf(at), () => createUpload(client, at, {}));
    const etag = await call(context, whereOf(at), () => sendPart(client, at, uploadId, 1, bytes));
    let refused = false;
    try {
      await call(
        context,
        whereOf(at),
        () => finishUpload(client, at, uploadId, [{ number: 1, etag }], { writeOnce: true }),
        { onPrecondition: 'STORE_EXISTS' },
      );
    } catch (error) {
      if (!hasCode(error, 'STORE_EXISTS')) throw error;
      refused = true;
      await call(context, whereOf(at), () => dropUpload(client, at, uploadId)).catch((dropError) => {
        if (!hasCode(dropError, 'STORE_NO_UPLOAD')) throw dropError;
      });
    }
    if (!refused) {
      throw new ConsiliumError(
        'STORE_NO_CONDITIONAL_WRITES',
        'A multipart upload with If-None-Match: * replaced an object instead of answering 412.',
        { where: bucket },
      );
    }
  } finally {
    await remove(at.key);
  }
}
