import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';

/** A failed operation on a local file: STORE_DISK_FULL or STORE_LOCAL_FILE. */
export function localError(error: unknown, path: string): ConsiliumError {
  if (error instanceof ConsiliumError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  const detail = error instanceof Error ? error.message : String(error);
  return new ConsiliumError(full ? 'STORE_DISK_FULL' : 'STORE_LOCAL_FILE', `${detail}.`, {
    where: path,
    cause: error,
  });
}

/** Runs file operations, translating what they throw. */
export async function locally<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw localError(error, path);
  }
}

/** Makes a rename in the file's folder durable. */
export async function syncFolderOf(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
