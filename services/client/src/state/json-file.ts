import { readFile } from 'node:fs/promises';
import { replaceFile } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';

/**
 * Replaces a small JSON file so that after a crash either the old or the new one is there, never half.
 * @throws ConsiliumError CLIENT_STATE_UNWRITABLE
 */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  try {
    await replaceFile(path, `${JSON.stringify(value, null, 1)}\n`);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/**
 * @returns undefined when there is no such file.
 * @throws ConsiliumError CLIENT_STATE_DAMAGED when it is no JSON or cannot be read.
 */
export async function readJsonFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ConsiliumError('CLIENT_STATE_DAMAGED', detail, { where: path, cause });
  }
}

export function unwritable(path: string, cause: unknown): ConsiliumError {
  const detail = `Writing failed: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}.`;
  return new ConsiliumError('CLIENT_STATE_UNWRITABLE', detail, { where: path, cause });
}
