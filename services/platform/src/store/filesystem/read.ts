import { ConsiliumError } from '@consilium/protocol';
import type { Dispatcher } from 'undici';
import { rangeHeader, rangeOf } from '../range.js';
import { resumingBody } from '../resuming-body.js';
import type { StoreSettings } from '../retry.js';
import type { GetOptions, ObjectInfo, ObjectRead } from '../types.js';
import { type StoreHttp, unreachable, windowSize } from './http.js';
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

  const first = await open(http, at, offset, Math.min(length ?? windowSize, windowSize), undefined, signal);
  const info = infoFrom(at.bucket, at.key, first.headers);
  const total = Math.min(info.size - offset, length ?? Number.POSITIVE_INFINITY);
  const body = resumingBody(
    where,
    total,
    windows(first, 0),
    async (skip) => windows(await openFrom(skip), skip),
    settings,
    signal,
  );

  async function openFrom(skip: number): Promise<Dispatcher.ResponseData> {
    return await open(http, at, offset + skip, Math.min(total - skip, windowSize), info.etag, signal);
  }

  /** The object in answers that fit the buffer, one after the other. */
  async function* windows(answer: Dispatcher.ResponseData, skip: number): AsyncGenerator<Uint8Array, void> {
    let current = answer;
    for (let start = skip; ; ) {
      yield* chunks(current.body, where);
      start += windowSize;
      if (start >= total) return;
      current = await openFrom(start);
    }
  }

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
