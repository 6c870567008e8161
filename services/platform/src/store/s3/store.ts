import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { ConsiliumError } from '@consilium/protocol';
import { checkDigest } from '../digest.js';
import { checkBucket, checkName } from '../names.js';
import { partRanges } from '../parts.js';
import { proveWriteOnce } from '../probe.js';
import { maxSignedParts, partSizeFor, putObject } from '../put-stream.js';
import { storeSettings } from '../retry.js';
import type {
  CompleteRequest,
  GetOptions,
  ObjectEntry,
  ObjectInfo,
  ObjectRead,
  ObjectStore,
  PutOptions,
  PutResult,
  S3Config,
  SignedDownload,
  SignedPart,
  SignedUpload,
  StoreDeps,
  UploadRequest,
} from '../types.js';
import { ensureBucket, proveMultipartWriteOnce } from './buckets.js';
import { call, hasCode, ignoring, type ObjectAt, type S3Context, whereOf } from './calls.js';
import { s3Client } from './client.js';
import {
  checkParts,
  checkSent,
  createUpload,
  dropUpload,
  listParts,
  type StoredPart,
  sendPart,
  unquoted,
} from './multipart.js';
import { readObject } from './read.js';
import { type Signer, signGetUrl, signPart, signWholePut } from './sign.js';
import { finishConditionally, headObject, putWhole, sameObject } from './write.js';

/** The object store on any S3 that honours conditional writes. */
export class S3Store implements ObjectStore {
  readonly #context: S3Context;
  readonly #signer: Signer;
  readonly #region: string;

  constructor(config: S3Config, deps: StoreDeps = {}) {
    const settings = storeSettings(deps);
    this.#region = config.region ?? 'us-east-1';
    this.#context = { client: s3Client(config, config.endpoint, settings), settings };
    this.#signer = {
      client: s3Client(config, config.publicEndpoint ?? config.endpoint, settings),
      now: settings.now,
    };
  }

  async ensureBuckets(buckets: readonly string[]): Promise<void> {
    for (const bucket of buckets) checkBucket(bucket);
    for (const bucket of buckets) await ensureBucket(this.#context, bucket, this.#region);
  }

  async probe(bucket: string): Promise<void> {
    checkBucket(bucket);
    await proveWriteOnce(this, bucket);
    await proveMultipartWriteOnce(this.#context, bucket, (key) => this.delete(bucket, key));
  }

  async put(
    bucket: string,
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    checkName(bucket, key);
    const at = { bucket, key };
    const where = whereOf(at);
    const context = this.#context;
    const { signal, contentType, digest: stated } = options;
    const parts: { number: number; etag: string }[] = [];
    return await putObject(body, options, context.settings, where, {
      whole: (bytes, digest) => putWhole(context, at, bytes, digest, options),
      start: () =>
        call(
          context,
          where,
          () => createUpload(context.client, at, { digest: stated, contentType }, signal),
          {
            signal,
          },
        ),
      part: async (uploadId, number, bytes) => {
        const send = () => sendPart(context.client, at, uploadId, number, bytes, signal);
        parts.push({ number, etag: await call(context, where, send, { signal }) });
      },
      complete: async (uploadId, size, digest) => {
        const etag = await finishConditionally(context, at, uploadId, parts, { size, digest }, options);
        return { digest, size, etag };
      },
      abort: (uploadId) => this.abortUpload(bucket, key, uploadId),
    });
  }

  async get(bucket: string, key: string, options: GetOptions = {}): Promise<ObjectRead> {
    checkName(bucket, key);
    const at = { bucket, key };
    return await readObject(this.#context, at, options, () => headObject(this.#context, at));
  }

  async head(bucket: string, key: string): Promise<ObjectInfo> {
    checkName(bucket, key);
    return await headObject(this.#context, { bucket, key });
  }

  async *list(bucket: string, prefix = ''): AsyncGenerator<ObjectEntry, void> {
    checkBucket(bucket);
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await call(this.#context, `${bucket}/${prefix}*`, () =>
        this.#context.client.send(command),
      );
      for (const item of page.Contents ?? []) {
        // Folder marks of some S3 browsers are not objects that anybody here wrote.
        if (item.Key === undefined || item.Key.endsWith('/')) continue;
        yield { key: item.Key, size: item.Size ?? 0, modified: item.LastModified?.getTime() ?? 0 };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async delete(bucket: string, key: string): Promise<void> {
    checkName(bucket, key);
    const at = { bucket, key };
    const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
    await call(this.#context, whereOf(at), async () => {
      await this.#context.client.send(command).catch(ignoring('STORE_NOT_FOUND', whereOf(at)));
    });
  }

  async signGet(bucket: string, key: string, ttlSeconds: number): Promise<SignedDownload> {
    checkName(bucket, key);
    return await signGetUrl(this.#signer, { bucket, key }, ttlSeconds);
  }

  async signPut(
    bucket: string,
    key: string,
    request: UploadRequest,
    ttlSeconds: number,
  ): Promise<SignedUpload> {
    checkName(bucket, key);
    checkDigest(request.digest);
    const at = { bucket, key };
    const { settings } = this.#context;
    if (request.size <= settings.multipartThreshold) {
      return await signWholePut(this.#signer, at, request, ttlSeconds);
    }
    const partSize = partSizeFor(request.size, settings.partSize, maxSignedParts);
    const uploadId = request.uploadId ?? (await this.#openUpload(at, request));
    const stored = new Map<number, StoredPart>();
    if (request.uploadId !== undefined) {
      for (const part of await this.#listParts(at, uploadId)) stored.set(part.number, part);
    }
    const parts: SignedPart[] = [];
    let expiresAt = 0;
    for (const range of partRanges(request.size, partSize)) {
      const signed = await signPart(this.#signer, at, uploadId, range, ttlSeconds);
      expiresAt = signed.expiresAt;
      const there = stored.get(range.number);
      const done = there?.size === range.size ? { done: true, etag: unquoted(there.etag) } : {};
      parts.push({ ...range, url: signed.url, headers: signed.headers, ...done });
    }
    return { kind: 'multipart', uploadId, partSize, parts, expiresAt };
  }

  async completeUpload(bucket: string, key: string, request: CompleteRequest): Promise<ObjectInfo> {
    checkName(bucket, key);
    checkDigest(request.digest);
    const at = { bucket, key };
    const { uploadId, size, digest } = request;
    let parts: StoredPart[];
    try {
      parts = await this.#listParts(at, uploadId);
    } catch (error) {
      if (!hasCode(error, 'STORE_NO_UPLOAD')) throw error;
      const done = await sameObject(this.#context, at, { size, digest });
      if (done === undefined) throw error;
      return done;
    }
    checkParts(parts, size, whereOf(at));
    if (request.parts !== undefined) checkSent(parts, request.parts, whereOf(at));
    const condition = { writeOnce: request.writeOnce ?? true };
    await finishConditionally(this.#context, at, uploadId, parts, { size, digest }, condition);
    return await headObject(this.#context, at);
  }

  async abortUpload(bucket: string, key: string, uploadId: string): Promise<void> {
    checkName(bucket, key);
    const at = { bucket, key };
    await call(this.#context, whereOf(at), () =>
      dropUpload(this.#context.client, at, uploadId).catch(ignoring('STORE_NO_UPLOAD', whereOf(at))),
    );
  }

  async close(): Promise<void> {
    this.#context.client.destroy();
    this.#signer.client.destroy();
  }

  async #listParts(at: ObjectAt, uploadId: string): Promise<StoredPart[]> {
    return await call(this.#context, whereOf(at), () => listParts(this.#context.client, at, uploadId));
  }

  async #openUpload(at: ObjectAt, request: UploadRequest): Promise<string> {
    if (request.writeOnce ?? true) await this.#refuseExisting(at);
    return await call(this.#context, whereOf(at), () => createUpload(this.#context.client, at, request));
  }

  /** Saves a site from sending a large file that the store would refuse in the end. */
  async #refuseExisting(at: ObjectAt): Promise<void> {
    try {
      await headObject(this.#context, at);
    } catch (error) {
      if (hasCode(error, 'STORE_NOT_FOUND')) return;
      throw error;
    }
    throw new ConsiliumError('STORE_EXISTS', 'There is an object under this key.', { where: whereOf(at) });
  }
}
