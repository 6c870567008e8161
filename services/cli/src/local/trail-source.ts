import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { fileSource, parseStoreUrl, storeFromConfig } from '@consilium/platform';
import { ConsiliumError, trailObjectsSchema, trailUrlsReplySchema } from '@consilium/protocol';
import { storeTrail, type TrailSource } from '@consilium/trail';
import { type Dispatcher, fetch } from 'undici';
import type { ApiClient } from '../core/api-client.js';

/** A trail that an auditor holds: a folder (the filesystem store, or a copy of the buckets) or any S3. */
export async function openTrail(place: string): Promise<{ trail: TrailSource; close(): Promise<void> }> {
  if (/^(s3|https?):\/\//.test(place)) {
    const store = await storeFromConfig(parseStoreUrl(place));
    return { trail: storeTrail(store), close: () => store.close() };
  }
  const root = resolve(place);
  if (!(await stat(root).catch(() => undefined))?.isDirectory()) {
    throw new ConsiliumError('CLI_FILE', 'It is not a folder.', { where: place });
  }
  return { trail: folderTrail(root), close: async () => undefined };
}

/** `<root>/<bucket>/<key>` as plain files. */
export function folderTrail(root: string): TrailSource {
  const path = (bucket: string, key: string) => {
    const file = resolve(root, bucket, key);
    // Keys come from documents that are being checked; none may lead out of the folder.
    if (!file.startsWith(resolve(root, bucket) + sep)) throw notFound(bucket, key);
    return file;
  };
  const isThere = async (bucket: string, key: string) => {
    const found = await stat(path(bucket, key)).catch(() => undefined);
    if (found?.isFile() !== true) throw notFound(bucket, key);
    return path(bucket, key);
  };
  return {
    async *list(bucket, prefix) {
      const names = await readdir(join(root, bucket), { recursive: true }).catch(() => []);
      for (const name of names.map((n) => n.replaceAll(sep, '/')).sort()) {
        if (!name.startsWith(prefix)) continue;
        const found = await stat(join(root, bucket, name)).catch(() => undefined);
        if (found?.isFile() === true) yield { key: name, size: found.size };
      }
    },
    stream: async (bucket, key) => createReadStream(await isThere(bucket, key)) as AsyncIterable<Uint8Array>,
    ranges: async (bucket, key) => {
      const file = await isThere(bucket, key);
      const { size } = await stat(file);
      return { size, read: (offset, length) => readRange(file, offset, length) };
    },
  };
}

/** Opened for each read: whoever walks a trail never says that a file is done with. */
async function readRange(file: string, offset: number, length: number): Promise<Uint8Array> {
  const source = await fileSource(file);
  try {
    return await source.read(offset, length);
  } finally {
    await source.close();
  }
}

function notFound(bucket: string, key: string): ConsiliumError {
  return new ConsiliumError('STORE_NOT_FOUND', 'There is no such file.', { where: `${bucket}/${key}` });
}

/** The trail through a reducer: it lists and signs URLs, the bytes come from the store. */
export function apiTrail(api: ApiClient): TrailSource {
  const urlOf = async (bucket: string, key: string): Promise<string> => {
    const { urls } = await api.post('/trail/urls', { objects: [{ bucket, key }] }, trailUrlsReplySchema);
    return urls[0]!;
  };
  return {
    async *list(bucket, prefix) {
      const query = new URLSearchParams({ bucket, prefix });
      const { objects } = await api.get(`/trail/objects?${query}`, trailObjectsSchema);
      yield* objects;
    },
    stream: async (bucket, key) => {
      const { body } = await read(api.dispatcher, await urlOf(bucket, key), `${bucket}/${key}`);
      return (body ?? []) as AsyncIterable<Uint8Array>;
    },
    ranges: async (bucket, key) => {
      const url = await urlOf(bucket, key);
      const where = `${bucket}/${key}`;
      const head = await read(api.dispatcher, url, where, { range: 'bytes=0-0' });
      await head.body?.cancel();
      const size = Number(/\/(\d+)$/.exec(head.headers.get('content-range') ?? '')?.[1]);
      return {
        size,
        read: async (offset, length) => {
          if (length === 0) return new Uint8Array();
          const range = `bytes=${offset}-${offset + length - 1}`;
          return new Uint8Array(await (await read(api.dispatcher, url, where, { range })).arrayBuffer());
        },
      };
    },
  };
}

async function read(
  dispatcher: Dispatcher,
  url: string,
  where: string,
  headers: Record<string, string> = {},
) {
  const answer = await fetch(url, { dispatcher, headers });
  if (answer.ok) return answer;
  await answer.body?.cancel();
  const code = answer.status === 404 ? 'STORE_NOT_FOUND' : 'STORE_UNAVAILABLE';
  throw new ConsiliumError(code, `HTTP ${answer.status}.`, { where });
}
