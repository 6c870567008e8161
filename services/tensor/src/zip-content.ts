import { pipeline, Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { ConsiliumError } from '@consilium/protocol/errors';
import { readChunks } from './bytes.js';
import { quote } from './shape.js';
import type { ByteSource } from './types.js';
import type { ZipEntry } from './zip-directory.js';
import { hex } from './zip-local.js';

/**
 * The content of an entry, inflated where it was deflated. The CRC is checked when the last byte has been
 * yielded: a consumer may trust what it has seen only after the stream has ended without an error.
 * Throws NPZ_DEFLATE, NPZ_DEFLATE_SIZE, NPZ_CRC or what the source throws.
 */
export async function* entryContent(
  source: ByteSource,
  entry: ZipEntry,
  contentOffset: number,
  chunkBytes: number,
): AsyncGenerator<Uint8Array> {
  const raw = readChunks(source, contentOffset, entry.compressedSize, chunkBytes);
  const chunks = entry.method === 'stored' ? raw : inflated(raw, entry, chunkBytes);
  let crc = 0;
  for await (const chunk of chunks) {
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (crc !== entry.crc32) {
    throw new ConsiliumError('NPZ_CRC', `It is ${hex(crc)}, the directory says ${hex(entry.crc32)}.`, {
      where: `entry ${quote(entry.name)}`,
    });
  }
}

/** Inflates, and stops at the first byte beyond the declared size. */
async function* inflated(
  raw: AsyncIterable<Uint8Array>,
  entry: ZipEntry,
  chunkBytes: number,
): AsyncGenerator<Uint8Array> {
  const where = `entry ${quote(entry.name)}`;
  const inflate = createInflateRaw({ chunkSize: chunkBytes });
  // Errors of either side arrive in the loop below, because pipeline destroys the other one with them.
  pipeline(Readable.from(raw), inflate, () => undefined);
  let size = 0;
  try {
    for await (const chunk of inflate as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > entry.size) {
        throw new ConsiliumError(
          'NPZ_DEFLATE_SIZE',
          `It goes on after the ${entry.size} bytes it declares.`,
          {
            where,
          },
        );
      }
      yield chunk;
    }
  } catch (cause) {
    if (!isZlibError(cause)) throw cause;
    throw new ConsiliumError('NPZ_DEFLATE', `${cause.message} (${cause.code}) after ${size} bytes.`, {
      where,
      cause,
    });
  }
  if (size !== entry.size) {
    throw new ConsiliumError(
      'NPZ_DEFLATE_SIZE',
      `It ends after ${size} of the ${entry.size} bytes it declares.`,
      {
        where,
      },
    );
  }
  if (inflate.bytesWritten !== entry.compressedSize) {
    const text = `The stream ends after ${inflate.bytesWritten} of ${entry.compressedSize} bytes.`;
    throw new ConsiliumError('NPZ_DEFLATE', text, { where });
  }
}

function isZlibError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}
