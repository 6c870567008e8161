import { ConsiliumError } from '@consilium/protocol/errors';
import type { ByteSource, StreamableSource } from './types.js';

/** A byte source over bytes in memory. They must not change while it is in use; reads are copies. */
export function bufferSource(bytes: Uint8Array): StreamableSource {
  return {
    size: bytes.length,
    async read(offset, length) {
      checkRange(bytes.length, offset, length);
      // Not `slice`: on a Buffer that would be a view.
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
    async *stream(offset = 0, length = bytes.length - offset) {
      checkRange(bytes.length, offset, length);
      for (let at = offset; at < offset + length; at += 65_536) {
        yield new Uint8Array(bytes.subarray(at, Math.min(at + 65_536, offset + length)));
      }
    },
  };
}

function checkRange(size: number, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0) {
    if (offset + length <= size) return;
  }
  throw new ConsiliumError('NPZ_SOURCE', `Bytes ${offset} to ${offset + length} of ${size} were asked for.`);
}

/** Reads and holds the source to its promise of exact lengths. Throws NPZ_SOURCE. */
export async function readExactly(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await source.read(offset, length);
  if (bytes.length === length) return bytes;
  throw new ConsiliumError('NPZ_SOURCE', `${bytes.length} bytes came for ${length} at offset ${offset}.`);
}

/** From this length on, opening a stream costs less than the range reads it replaces. */
const streamFrom = 16 * 2 ** 20;

/**
 * Yields a range in chunks: by the source's own stream where the range is long and the source has one, else by
 * range reads; while one of those is in use, the next is being read, never more. Throws NPZ_SOURCE.
 */
export async function* readChunks(
  source: ByteSource,
  offset: number,
  length: number,
  chunkBytes: number,
): AsyncGenerator<Uint8Array> {
  if (length >= streamFrom && isStreamable(source)) {
    yield* streamedRange(source, offset, length);
    return;
  }
  const end = offset + length;
  const start = (at: number): Promise<Uint8Array> => {
    const pending = readExactly(source, at, Math.min(chunkBytes, end - at));
    // Seen when it is awaited; this only keeps an abandoned read from ending the process.
    pending.catch(() => undefined);
    return pending;
  };
  let next = length > 0 ? start(offset) : undefined;
  for (let at = offset; next !== undefined; at += chunkBytes) {
    const chunk: Uint8Array = await next;
    next = at + chunkBytes < end ? start(at + chunkBytes) : undefined;
    yield chunk;
  }
}

function isStreamable(source: ByteSource): source is StreamableSource {
  return 'stream' in source && typeof source.stream === 'function';
}

async function* streamedRange(
  source: StreamableSource,
  offset: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  let left = length;
  for await (const chunk of source.stream(offset, length)) {
    yield chunk.length <= left ? chunk : chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
  throw new ConsiliumError('NPZ_SOURCE', `A stream from ${offset} ended ${left} bytes early.`);
}

/**
 * Drops the first `skip` bytes and cuts the rest into chunks of whole elements that start at a multiple of
 * the element size in memory, so that a typed array can lie over them. Copies only where it must.
 */
export async function* elementChunks(
  chunks: AsyncIterable<Uint8Array>,
  skip: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  let left = skip;
  let rest = new Uint8Array(0);
  for await (const chunk of chunks) {
    const dropped = Math.min(left, chunk.length);
    left -= dropped;
    let bytes = dropped === 0 ? chunk : chunk.subarray(dropped);
    if (bytes.length === 0) continue;
    if (rest.length > 0 || bytes.byteOffset % size !== 0) {
      const joined = new Uint8Array(rest.length + bytes.length);
      joined.set(rest);
      joined.set(bytes, rest.length);
      bytes = joined;
    }
    const whole = bytes.length - (bytes.length % size);
    rest = new Uint8Array(bytes.subarray(whole));
    if (whole > 0) yield bytes.subarray(0, whole);
  }
}
