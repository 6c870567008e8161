import { open, readFile, rename, unlink } from 'node:fs/promises';
import { ConsiliumError } from '@consilium/protocol';

/**
 * Replaces a small JSON file so that after a crash either the old or the new one is there, never half.
 * @throws ConsiliumError CLIENT_STATE_UNWRITABLE
 */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(value, null, 1)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await unlink(temporary).catch(() => undefined); // the first error is the one to tell
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
