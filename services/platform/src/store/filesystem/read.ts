import { ConsiliumError } from '@consilium/protocol';
import type { Dispatcher } from 'undici';
import { rangeHeader, rangeOf } from '../range.js';
import { resumingBody } from '../resuming-body.js';
import type { StoreSettings } from '../retry.js';
import type { GetOptions, ObjectInfo, ObjectRead } from '../types.js';
import { type StoreHttp, unreachable } from './http.js';
import { infoFrom } from './info.js';

interface ObjectAt {
  readonly bucket: string;
  readonly key: string;
  readonly path: string;
}

/** Opens an object for reading; resumes by range from the same version. */
export async function readObject(
  http: StoreHttp,
  at: ObjectAt,
  options: GetOptions,
  settings: StoreSettings,
  head: () => Promise<ObjectInfo>,
): Promise<ObjectRead> {
  const where = `${at.bucket}/${at.key}`;
  const { offset, length } = rangeOf(options, where);
  if (length === 0) return { info: await head(), body: nothing(), cancel: () => {} };
  const { signal } = options;

  const first = await open(http, at, offset, length, undefined, signal);
  const info = infoFrom(at.bucket, at.key, first.headers);
  const total = Math.min(info.size - offset, length ?? Number.POSITIVE_INFINITY);
  const body = resumingBody(
    where,
    total,
    chunks(first.body, where),
    async (skip) => {
      const again = await open(http, at, offset + skip, total - skip, info.etag, signal);
      return chunks(again.body, where);
    },
    settings,
    signal,
  );
  const cancel = (): void => {
    // A destroyed body reports its end as an error, which nobody is left to hear.
    first.body.on('error', () => {}).destroy();
  };
  if (total === 0) await first.body.dump();
  return { info, body, cancel };
}

async function open(
  http: StoreHttp,
  at: ObjectAt,
  offset: number,
  length: number | undefined,
  etag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Dispatcher.ResponseData> {
  const range = rangeHeader(offset, length);
  return await http.send({
    method: 'GET',
    path: at.path,
    where: `${at.bucket}/${at.key}`,
    headers: {
      ...(range === undefined ? {} : { range }),
      ...(etag === undefined ? {} : { 'if-match': `"${etag}"` }),
    },
    signal,
  });
}

async function* chunks(
  body: Dispatcher.ResponseData['body'],
  where: string,
): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of body) yield chunk as Uint8Array;
  } catch (error) {
    if (error instanceof ConsiliumError) throw error;
    throw unreachable(error, where);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, void> {}
