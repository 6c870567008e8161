import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { type FileSource, fileSource } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import { canonicalNpz, openNpz, sameStructure } from '@consilium/tensor';
import { unwritable } from '../state/json-file.js';

export interface WrittenUpdate {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Re-encodes the weights that a package wrote in the one canonical form of npz, so that the update's bytes
 * (and its digest) depend on the weights alone, not on who wrote the file.
 *
 * @param base the weights the task started from: names, shapes and dtypes must be the same.
 * @throws ConsiliumError NPZ_* (not a valid npz), CLIENT_UPDATE_INVALID (another structure),
 *   CLIENT_STATE_UNWRITABLE; the reason of the signal
 */
export async function writeUpdate(
  weights: string,
  base: string,
  target: string,
  signal: AbortSignal,
): Promise<WrittenUpdate> {
  return await withSource(base, (before) =>
    withSource(weights, async (source) => {
      const [expected, reader] = [await openNpz(before), await openNpz(source)];
      const difference = sameStructure(expected.entries, reader.entries);
      if (difference !== undefined) {
        throw new ConsiliumError('CLIENT_UPDATE_INVALID', difference, { where: 'outputs.weights' });
      }
      return await writeStream(canonicalNpz(reader), target, signal);
    }),
  );
}

async function withSource<T>(path: string, use: (source: FileSource) => Promise<T>): Promise<T> {
  const source = await fileSource(path);
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

async function writeStream(
  chunks: AsyncIterable<Uint8Array>,
  target: string,
  signal: AbortSignal,
): Promise<WrittenUpdate> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(target, 'w', 0o600).catch((cause: unknown) => {
    throw unwritable(target, cause);
  });
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      hash.update(chunk);
      size += chunk.byteLength;
      await file.writeFile(chunk).catch((cause: unknown) => {
        throw unwritable(target, cause);
      });
    }
  } finally {
    await file.close();
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}
