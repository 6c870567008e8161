import { ConsiliumError } from '@consilium/protocol';
import { checkContent, checkDigest, Digester, digestOf, sizeMismatch } from './digest.js';
import type { StoreSettings } from './retry.js';
import type { Digest, PutOptions, PutResult } from './types.js';

/** S3's limit, kept by the filesystem store too so that both take the same objects. */
export const maxParts = 10_000;
const MiB = 1024 * 1024;

/** What an adapter can do; `putObject` makes a streaming put of it. Every call retries by itself. */
export interface PutPrimitives {
  whole(bytes: Uint8Array, digest: Digest): Promise<PutResult>;
  start(partSize: number): Promise<string>;
  /** `bytes` may be reused after the promise has settled. */
  part(uploadId: string, number: number, bytes: Uint8Array): Promise<void>;
  complete(uploadId: string, size: number, digest: Digest): Promise<PutResult>;
  abort(uploadId: string): Promise<void>;
}

/** A list of signed part URLs travels in one message: 200 of them are about 100 kB. */
export const maxSignedParts = 200;

/** The part size, in whole MiB or as configured, with which `size` bytes need no more than `parts` parts. */
export function partSizeFor(size: number, partSize: number, parts = maxParts): number {
  const needed = Math.ceil(size / parts / MiB) * MiB;
  return Math.max(partSize, needed);
}

/**
 * Small bodies in one request, larger ones in parts, sent one after the other while the next is filled. Memory:
 * the threshold, then two parts.
 */
export async function putObject(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  options: PutOptions,
  settings: StoreSettings,
  where: string,
  primitives: PutPrimitives,
): Promise<PutResult> {
  if (options.digest !== undefined) checkDigest(options.digest);
  if (body instanceof Uint8Array) {
    const content = { size: body.byteLength, digest: digestOf(body) };
    checkContent(content, options, where);
    if (body.byteLength <= settings.multipartThreshold) return primitives.whole(body, content.digest);
  }
  const partSize = partSizeFor(options.size ?? 0, settings.partSize);
  const chunks = body instanceof Uint8Array ? slices(body, partSize) : body;
  const digester = new Digester();
  const parts = fixedParts(watched(chunks, digester, options, where), partSize);

  const held: Uint8Array[] = [];
  let heldBytes = 0;
  let next = await parts.next();
  try {
    while (!next.done && heldBytes + next.value.byteLength <= settings.multipartThreshold) {
      held.push(next.value);
      heldBytes += next.value.byteLength;
      next = await parts.next();
    }
    if (next.done) {
      const digest = digester.digest();
      checkContent({ size: digester.size, digest }, options, where);
      return await primitives.whole(Buffer.concat(held), digest);
    }
    held.push(next.value);
    return await putParts(held, parts, partSize, digester, options, where, primitives);
  } finally {
    await parts.return(undefined);
  }
}

async function putParts(
  held: Uint8Array[],
  parts: AsyncGenerator<Uint8Array, void>,
  partSize: number,
  digester: Digester,
  options: PutOptions,
  where: string,
  primitives: PutPrimitives,
): Promise<PutResult> {
  const uploadId = await primitives.start(partSize);
  try {
    let number = 0;
    const send = (bytes: Uint8Array): Promise<void> => {
      number++;
      if (number > maxParts) {
        throw new ConsiliumError(
          'STORE_TOO_LARGE',
          `More than ${maxParts} parts of ${partSize} bytes; state the size beforehand.`,
          { where },
        );
      }
      return primitives.part(uploadId, number, bytes);
    };
    for (const bytes of held.splice(0)) await send(bytes);
    for (let next = await parts.next(); !next.done; ) {
      // The next part is read while this one is sent; a failed send must not leave the read unobserved.
      const [, following] = await settledAll(send(next.value), parts.next());
      next = following;
    }
    const digest = digester.digest();
    checkContent({ size: digester.size, digest }, options, where);
    return await primitives.complete(uploadId, digester.size, digest);
  } catch (error) {
    // What made the put fail is what the caller must see; an upload that cannot be dropped now is dropped by
    // the store's own clean-up of unfinished uploads.
    await primitives.abort(uploadId).catch(() => {});
    throw error;
  }
}

async function settledAll<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}

async function* watched(
  chunks: AsyncIterable<Uint8Array>,
  digester: Digester,
  options: PutOptions,
  where: string,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of chunks) {
    options.signal?.throwIfAborted();
    digester.update(chunk);
    if (options.size !== undefined && digester.size > options.size) {
      throw sizeMismatch(options.size, digester.size, where);
    }
    yield chunk;
  }
}

/** Copies chunks into buffers of exactly `partSize` bytes, the last one shorter; each belongs to the caller. */
async function* fixedParts(
  chunks: AsyncIterable<Uint8Array>,
  partSize: number,
): AsyncGenerator<Uint8Array, void> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    while (bytes + rest.byteLength >= partSize) {
      const taken = partSize - bytes;
      pending.push(rest.subarray(0, taken));
      yield Buffer.concat(pending, partSize);
      rest = rest.subarray(taken);
      pending = [];
      bytes = 0;
    }
    if (rest.byteLength > 0) {
      // Copied: the producer may reuse its buffer once it is asked for the next chunk.
      pending.push(Buffer.from(rest));
      bytes += rest.byteLength;
    }
  }
  if (bytes > 0) yield Buffer.concat(pending, bytes);
}

async function* slices(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}
