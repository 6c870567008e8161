import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { checkDigest, type ObjectInfo, storeHeader, storeQuery } from '@consilium/platform/store';
import { ConsiliumError } from '@consilium/protocol';
import { type Access, checkAccess, parseTarget, type Target } from './access.js';
import { byteRange } from './byte-range.js';
import { listObjects } from './listing.js';
import type { Objects } from './objects.js';
import type { StoreRoot } from './root.js';
import type { Uploads } from './uploads.js';

export interface Handler {
  readonly root: StoreRoot;
  readonly objects: Objects;
  readonly uploads: Uploads;
  readonly keys: readonly string[];
  readonly now: () => number;
}

const pageSize = 1000;

/** Answers one request; throws what the caller turns into an error's answer. */
export async function handle(on: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = parseTarget(request);
  const access = checkAccess(request, target, on.keys, on.now());
  if (target.key === '') return await onBucket(on, target, access, response);
  if (target.query.has(storeQuery.uploadId)) return await onUpload(on, target, access, request, response);
  const { bucket, key, method } = target;
  if (method === 'GET') return await sendObject(on, target, request, response);
  if (method === 'PUT') {
    const info = await on.objects.put(writeRequest(target, access, request), bodyOf(request));
    return describe(response, 200, info);
  }
  if (access === 'service' && method === 'HEAD') {
    return describe(response, 200, await on.objects.head(bucket, key));
  }
  if (access === 'service' && method === 'DELETE') {
    await on.objects.delete(bucket, key);
    return empty(response, 204);
  }
  if (access === 'service' && method === 'POST' && target.query.has(storeQuery.uploads)) {
    const partSize = wholeNumber(target.query.get(storeQuery.partSize), storeQuery.partSize);
    const uploadId = await on.uploads.start(bucket, key, partSize, isOnce(request));
    return json(response, { uploadId });
  }
  throw unknown(target);
}

async function onBucket(
  on: Handler,
  target: Target,
  access: Access,
  response: ServerResponse,
): Promise<void> {
  if (access === 'service' && target.method === 'PUT') {
    await on.root.createBucket(target.bucket);
    return empty(response, 200);
  }
  if (access === 'service' && target.method === 'GET' && target.query.has(storeQuery.list)) {
    const page = await listObjects(on.root, target.bucket, {
      prefix: target.query.get(storeQuery.prefix) ?? '',
      after: target.query.get(storeQuery.after) ?? undefined,
      limit: pageSize,
    });
    return json(response, page);
  }
  throw unknown(target);
}

async function onUpload(
  on: Handler,
  target: Target,
  access: Access,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { bucket, key, method, query } = target;
  const uploadId = query.get(storeQuery.uploadId) ?? '';
  if (method === 'PUT') {
    const number = wholeNumber(query.get(storeQuery.partNumber), storeQuery.partNumber);
    const size = bodySize(target, access, request);
    await on.uploads.putPart({ bucket, key, uploadId }, number, size, bodyOf(request));
    // Clients of S3 expect a tag of every part; the server itself does not need it.
    response.setHeader('etag', `"${number}"`);
    return empty(response, 200);
  }
  if (access === 'service' && method === 'GET') {
    return json(response, await on.uploads.state(bucket, key, uploadId));
  }
  if (access === 'service' && method === 'POST') {
    const size = wholeNumber(header(request, storeHeader.size), storeHeader.size);
    const digest = header(request, storeHeader.digest) ?? '';
    checkDigest(digest);
    const info = await on.uploads.complete(uploadId, { ...conditions(target, request), size, digest });
    return describe(response, 200, info);
  }
  if (access === 'service' && method === 'DELETE') {
    await on.uploads.abort(bucket, key, uploadId);
    return empty(response, 204);
  }
  throw unknown(target);
}

async function sendObject(
  on: Handler,
  target: Target,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const where = `${target.bucket}/${target.key}`;
  const { info, file } = await on.objects.open(target.bucket, target.key);
  try {
    const wanted = unquoted(request.headers['if-match']);
    if (wanted !== undefined && wanted !== '*' && wanted !== info.etag) {
      throw new ConsiliumError(
        'STORE_PRECONDITION',
        `It should have the etag ${wanted}, it has ${info.etag}.`,
        {
          where,
        },
      );
    }
    const { offset, length, partial } = byteRange(request.headers.range, info.size, where);
    infoHeaders(response, info);
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('content-length', length);
    if (partial) response.setHeader('content-range', `bytes ${offset}-${offset + length - 1}/${info.size}`);
    response.writeHead(partial ? 206 : 200);
    if (length === 0) {
      response.end();
      return;
    }
    const stream = file.createReadStream({
      start: offset,
      end: offset + length - 1,
      highWaterMark: 256 * 1024,
      autoClose: false,
    });
    await pipeline(stream, response);
  } finally {
    await file.close();
  }
}

/** What a URL allows stands in its query; what a service wants, in its headers. Both are signed. */
function writeRequest(target: Target, access: Access, request: IncomingMessage) {
  const size = bodySize(target, access, request);
  const { bucket, key, query } = target;
  if (access === 'service') {
    const digest = header(request, storeHeader.digest);
    if (digest !== undefined) checkDigest(digest);
    return { ...conditions(target, request), size, digest };
  }
  const digest = query.get(storeQuery.digest) ?? '';
  checkDigest(digest);
  const contentType = query.get(storeQuery.type) ?? undefined;
  return { bucket, key, size, digest, once: query.get(storeQuery.once) === '1', contentType };
}

function conditions(target: Target, request: IncomingMessage) {
  return {
    bucket: target.bucket,
    key: target.key,
    once: isOnce(request),
    ifMatch: unquoted(request.headers['if-match']),
    contentType: request.headers['content-type'],
  };
}

function isOnce(request: IncomingMessage): boolean {
  const value = request.headers['if-none-match'];
  if (value === undefined || value === '*') return value === '*';
  throw new ConsiliumError('STORE_BAD_REQUEST', `If-None-Match can be * only, it is ${value}.`);
}

/** @throws STORE_SIZE_MISMATCH where the body announces another size than was signed. */
function bodySize(target: Target, access: Access, request: IncomingMessage): number {
  const size = wholeNumber(request.headers['content-length'], 'content-length');
  if (access === 'service') return size;
  const signed = wholeNumber(target.query.get(storeQuery.size), storeQuery.size);
  if (signed === size) return size;
  throw new ConsiliumError('STORE_SIZE_MISMATCH', `The URL is for ${signed} bytes, the body has ${size}.`, {
    where: `${target.bucket}/${target.key}`,
  });
}

function wholeNumber(text: string | null | undefined, name: string): number {
  const value = /^\d{1,15}$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new ConsiliumError('STORE_BAD_REQUEST', `${JSON.stringify(text ?? null)} is not a whole number.`, {
    where: name,
  });
}

function unknown(target: Target): ConsiliumError {
  return new ConsiliumError('STORE_BAD_REQUEST', `There is no ${target.method} here for this signature.`, {
    where: target.path,
  });
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function unquoted(value: string | undefined): string | undefined {
  return value?.replace(/^"|"$/g, '');
}

function infoHeaders(response: ServerResponse, info: ObjectInfo): void {
  response.setHeader('etag', `"${info.etag}"`);
  response.setHeader('last-modified', new Date(info.modified).toUTCString());
  response.setHeader(storeHeader.size, info.size);
  response.setHeader(storeHeader.modified, info.modified);
  if (info.digest !== undefined) response.setHeader(storeHeader.digest, info.digest);
  if (info.contentType !== undefined) response.setHeader('content-type', info.contentType);
}

function describe(response: ServerResponse, status: number, info: ObjectInfo): void {
  infoHeaders(response, info);
  empty(response, status);
}

function empty(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0 });
  response.end();
}

function json(response: ServerResponse, value: unknown): void {
  const text = JSON.stringify(value);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/**
 * The body, without ending the connection when it is not read to its end: the sender could not read the answer that
 * says why (a full disk).
 */
function bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}
