import type { Readable } from 'node:stream';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { ConsiliumError } from '@consilium/protocol';
import { rangeHeader, rangeOf } from '../range.js';
import { resumingBody } from '../resuming-body.js';
import type { GetOptions, ObjectInfo, ObjectRead } from '../types.js';
import { abortable, call, hasCode, type ObjectAt, type S3Context, whereOf } from './calls.js';
import { quoted, unquoted } from './multipart.js';

/** Opens an object for reading; resumes by range from the same version. */
export async function readObject(
  context: S3Context,
  at: ObjectAt,
  options: GetOptions,
  head: () => Promise<ObjectInfo>,
): Promise<ObjectRead> {
  const where = whereOf(at);
  const range = rangeOf(options, where);
  if (range.length === 0) return nothing(await head());

  let opened: Opened;
  try {
    opened = await open(context, at, range.offset, range.length, undefined, options.signal);
  } catch (error) {
    // A range of an empty object is no range to S3; to a reader it is zero bytes.
    if (!hasCode(error, 'STORE_BAD_RANGE') || range.offset !== 0) throw error;
    const info = await head();
    if (info.size !== 0) throw error;
    return nothing(info);
  }
  const { info } = opened;
  const total = Math.min(info.size - range.offset, range.length ?? Number.POSITIVE_INFINITY);
  const body = resumingBody(
    where,
    total,
    chunks(opened.stream, where),
    async (skip) => {
      const again = await open(context, at, range.offset + skip, total - skip, info.etag, options.signal);
      return chunks(again.stream, where);
    },
    context.settings,
    options.signal,
  );
  if (total === 0) opened.stream.destroy();
  return { info, body, cancel: () => opened.stream.destroy() };
}

interface Opened {
  readonly info: ObjectInfo;
  readonly stream: Readable;
}

async function open(
  context: S3Context,
  at: ObjectAt,
  offset: number,
  length: number | undefined,
  etag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  const where = whereOf(at);
  const range = rangeHeader(offset, length);
  const answer = await call(
    context,
    where,
    () =>
      context.client.send(
        new GetObjectCommand({
          Bucket: at.bucket,
          Key: at.key,
          ...(range === undefined ? {} : { Range: range }),
          ...(etag === undefined ? {} : { IfMatch: quoted(etag) }),
        }),
        abortable(signal),
      ),
    { signal },
  );
  const total = answer.ContentRange === undefined ? answer.ContentLength : totalOf(answer.ContentRange);
  if (total === undefined || (range !== undefined && answer.ContentRange === undefined)) {
    (answer.Body as Readable).destroy();
    throw new ConsiliumError('STORE_UNAVAILABLE', 'The S3 server does not honour byte ranges.', { where });
  }
  const digest = answer.Metadata?.sha256;
  return {
    stream: answer.Body as Readable,
    info: {
      ...at,
      size: total,
      etag: unquoted(answer.ETag ?? ''),
      modified: answer.LastModified?.getTime() ?? 0,
      ...(digest === undefined ? {} : { digest }),
      ...(answer.ContentType === undefined ? {} : { contentType: answer.ContentType }),
    },
  };
}

/** Errors of the connection (the socket's idle timeout included) as what may pass. */
async function* chunks(stream: Readable, where: string): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new ConsiliumError('STORE_UNAVAILABLE', `The connection broke: ${detail}.`, {
      where,
      cause: error,
    });
  }
}

function totalOf(contentRange: string): number | undefined {
  const match = /\/(\d+)$/.exec(contentRange);
  return match === null ? undefined : Number(match[1]);
}

function nothing(info: ObjectInfo): ObjectRead {
  return { info, body: emptyBody(), cancel: () => {} };
}

async function* emptyBody(): AsyncGenerator<Uint8Array, void> {}
