import type { Dispatcher } from 'undici';
import { checkDigest } from '../digest.js';
import { endpointUrl } from '../endpoint.js';
import { checkBucket, checkName, objectPath } from '../names.js';
import { partRanges } from '../parts.js';
import { proveWriteOnce } from '../probe.js';
import { maxSignedParts, partSizeFor, putObject } from '../put-stream.js';
import { type StoreSettings, storeSettings } from '../retry.js';
import type {
  CompleteRequest,
  Digest,
  FilesystemConfig,
  GetOptions,
  ObjectEntry,
  ObjectInfo,
  ObjectRead,
  ObjectStore,
  PutOptions,
  PutResult,
  SignedDownload,
  SignedUpload,
  StoreDeps,
  UploadRequest,
} from '../types.js';
import { StoreHttp, type StoreRequest } from './http.js';
import { infoFrom } from './info.js';
import { readObject } from './read.js';
import { signGetUrl, signPart, signWholePut, type UrlSigner } from './sign.js';
import { checkStoreKey, storeHeader, storeQuery } from './wire.js';
import { writeConditionally } from './write.js';

interface ListPage {
  readonly objects: readonly ObjectEntry[];
  readonly next?: string;
}

interface UploadState {
  readonly uploadId: string;
  readonly partSize: number;
  readonly parts: readonly { readonly number: number; readonly size: number }[];
}

/** The object store over HTTP to the store server, which keeps objects as plain files. */
export class FilesystemStore implements ObjectStore {
  readonly #http: StoreHttp;
  readonly #signer: UrlSigner;
  readonly #settings: StoreSettings;

  constructor(config: FilesystemConfig, deps: StoreDeps = {}) {
    checkStoreKey(config.key);
    this.#settings = storeSettings(deps);
    const url = endpointUrl(config.url, 'url');
    this.#http = new StoreHttp(url, config.key, this.#settings, deps.dispatcher);
    const base = config.publicUrl === undefined ? url : endpointUrl(config.publicUrl, 'publicUrl');
    this.#signer = { base, key: config.key, now: this.#settings.now };
  }

  async ensureBuckets(buckets: readonly string[]): Promise<void> {
    for (const bucket of buckets) checkBucket(bucket);
    for (const bucket of buckets) {
      await this.#done({ method: 'PUT', path: `/${bucket}`, where: bucket });
    }
  }

  async probe(bucket: string): Promise<void> {
    checkBucket(bucket);
    await proveWriteOnce(this, bucket);
  }

  async put(
    bucket: string,
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    const path = pathOf(bucket, key);
    const where = `${bucket}/${key}`;
    const { signal } = options;
    return await putObject(body, options, this.#settings, where, {
      whole: async (bytes, digest) => {
        const content = { size: bytes.byteLength, digest };
        const request = { method: 'PUT', path, where, signal, body: bytes } as const;
        const info = await this.#write(bucket, key, request, content, options);
        return { ...content, etag: info.etag };
      },
      start: (partSize) => this.#startUpload(path, where, partSize),
      part: (uploadId, number, bytes) =>
        this.#done({
          method: 'PUT',
          path,
          where,
          signal,
          body: bytes,
          query: { [storeQuery.uploadId]: uploadId, [storeQuery.partNumber]: String(number) },
        }),
      complete: async (uploadId, size, digest) => {
        const content = { size, digest };
        const info = await this.#complete(bucket, key, uploadId, content, options);
        return { ...content, etag: info.etag };
      },
      abort: (uploadId) => this.abortUpload(bucket, key, uploadId),
    });
  }

  async get(bucket: string, key: string, options: GetOptions = {}): Promise<ObjectRead> {
    const path = pathOf(bucket, key);
    return await readObject(this.#http, { bucket, key, path }, options, this.#settings, () =>
      this.head(bucket, key),
    );
  }

  async head(bucket: string, key: string): Promise<ObjectInfo> {
    const path = pathOf(bucket, key);
    const answer = await this.#http.send({ method: 'HEAD', path, where: `${bucket}/${key}` });
    await answer.body.dump();
    return infoFrom(bucket, key, answer.headers);
  }

  async *list(bucket: string, prefix = ''): AsyncGenerator<ObjectEntry, void> {
    checkBucket(bucket);
    let after: string | undefined;
    do {
      const page: ListPage = await this.#http.json<ListPage>({
        method: 'GET',
        path: `/${bucket}`,
        where: `${bucket}/${prefix}*`,
        query: {
          [storeQuery.list]: '1',
          [storeQuery.prefix]: prefix,
          ...(after === undefined ? {} : { [storeQuery.after]: after }),
        },
      });
      yield* page.objects;
      after = page.next;
    } while (after !== undefined);
  }

  async delete(bucket: string, key: string): Promise<void> {
    await this.#done({ method: 'DELETE', path: pathOf(bucket, key), where: `${bucket}/${key}` });
  }

  async signGet(bucket: string, key: string, ttlSeconds: number): Promise<SignedDownload> {
    checkName(bucket, key);
    return signGetUrl(this.#signer, { bucket, key }, ttlSeconds);
  }

  async signPut(
    bucket: string,
    key: string,
    request: UploadRequest,
    ttlSeconds: number,
  ): Promise<SignedUpload> {
    const path = pathOf(bucket, key);
    const where = `${bucket}/${key}`;
    checkDigest(request.digest);
    if (request.size <= this.#settings.multipartThreshold) {
      return signWholePut(this.#signer, { bucket, key }, request, ttlSeconds);
    }
    let state: UploadState;
    if (request.uploadId === undefined) {
      const partSize = partSizeFor(request.size, this.#settings.partSize, maxSignedParts);
      const uploadId = await this.#startUpload(path, where, partSize, request.writeOnce ?? true);
      state = { uploadId, partSize, parts: [] };
    } else {
      const query = { [storeQuery.uploadId]: request.uploadId };
      state = await this.#http.json<UploadState>({ method: 'GET', path, where, query });
    }
    const stored = new Map(state.parts.map((part) => [part.number, part.size]));
    const { uploadId, partSize } = state;
    let expiresAt = 0;
    const parts = [...partRanges(request.size, partSize)].map((range) => {
      const part = signPart(this.#signer, { bucket, key }, uploadId, range, ttlSeconds);
      expiresAt = part.expiresAt;
      const done = stored.get(range.number) === range.size;
      return { ...range, url: part.url, headers: part.headers, ...(done ? { done } : {}) };
    });
    return { kind: 'multipart', uploadId, partSize, parts, expiresAt };
  }

  async completeUpload(bucket: string, key: string, request: CompleteRequest): Promise<ObjectInfo> {
    checkName(bucket, key);
    checkDigest(request.digest);
    const { uploadId, size, digest } = request;
    const writeOnce = request.writeOnce ?? true;
    return await this.#complete(bucket, key, uploadId, { size, digest }, { writeOnce });
  }

  async abortUpload(bucket: string, key: string, uploadId: string): Promise<void> {
    await this.#done({
      method: 'DELETE',
      path: pathOf(bucket, key),
      where: `${bucket}/${key}`,
      query: { [storeQuery.uploadId]: uploadId },
    });
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async #startUpload(path: string, where: string, partSize: number, once = false): Promise<string> {
    const { uploadId } = await this.#http.json<{ uploadId: string }>({
      method: 'POST',
      path,
      where,
      query: { [storeQuery.uploads]: '1', [storeQuery.partSize]: String(partSize) },
      headers: once ? { 'if-none-match': '*' } : {},
    });
    return uploadId;
  }

  async #complete(
    bucket: string,
    key: string,
    uploadId: string,
    content: { readonly size: number; readonly digest: Digest },
    options: PutOptions,
  ): Promise<ObjectInfo> {
    const request: StoreRequest = {
      method: 'POST',
      path: objectPath(bucket, key),
      where: `${bucket}/${key}`,
      query: { [storeQuery.uploadId]: uploadId },
      headers: { [storeHeader.size]: String(content.size) },
      signal: options.signal,
    };
    return await this.#write(bucket, key, request, content, options);
  }

  async #write(
    bucket: string,
    key: string,
    request: StoreRequest,
    content: { readonly size: number; readonly digest: Digest },
    options: PutOptions,
  ): Promise<ObjectInfo> {
    return await writeConditionally(this.#http, request, content, options, {
      info: (headers) => infoFrom(bucket, key, headers),
      head: () => this.head(bucket, key),
    });
  }

  async #done(request: StoreRequest): Promise<void> {
    const answer: Dispatcher.ResponseData = await this.#http.send(request);
    await answer.body.dump();
  }
}

function pathOf(bucket: string, key: string): string {
  checkName(bucket, key);
  return objectPath(bucket, key);
}
