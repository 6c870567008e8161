import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type FileSource, fileSource } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import { openNpz } from '@consilium/tensor';

/** Opens local npz files for as long as `use` runs. @throws CLI_FILE */
export async function withFiles<T>(
  paths: readonly string[],
  use: (sources: FileSource[]) => Promise<T>,
): Promise<T> {
  const open: FileSource[] = [];
  try {
    for (const path of paths) {
      try {
        open.push(await fileSource(path));
      } catch (cause) {
        const detail = cause instanceof Error ? cause.message : String(cause);
        throw new ConsiliumError('CLI_FILE', detail, { where: path, cause });
      }
    }
    return await use(open);
  } finally {
    for (const source of open) await source.close();
  }
}

/**
 * Reads every tensor to its end, so that its checksum is compared: sums are made by ranges, which have none.
 * @throws NPZ_CRC and other NPZ_ codes
 */
export async function checkSums(source: FileSource, path: string): Promise<void> {
  const reader = await openNpz(source);
  for (const { name } of reader.entries) {
    try {
      for await (const chunk of reader.stream(name)) void chunk;
    } catch (error) {
      if (!(error instanceof ConsiliumError)) throw error;
      throw new ConsiliumError(error.code, error.detail, { where: `${path}, ${name}`, cause: error });
    }
  }
}

/** Writes a stream to a file that appears only when it is whole. @throws CLI_FILE */
export async function writeStream(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${process.pid}.part`;
  try {
    await pipeline(Readable.from(bytes), createWriteStream(temporary, { flags: 'wx' }));
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    if (cause instanceof ConsiliumError || !('code' in (cause as object))) throw cause;
    throw new ConsiliumError('CLI_FILE', (cause as Error).message, { where: path, cause });
  }
}
