import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createSecretFile } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';

/** The file's text without white space at its ends; undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unwritable(path, error);
  }
}

/** Folder for one service, for its owner alone. @throws UP_DIR_UNWRITABLE */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    // A volume's own folder is there already; on some file systems its mode cannot be changed.
    await chmod(path, 0o700).catch(() => undefined);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** What is in the file, or else what `make` gives, which is written first. */
export async function keptSecret(path: string, make: () => string): Promise<string> {
  const kept = await readIfThere(path);
  if (kept !== undefined && kept !== '') return kept;
  const made = make();
  await createSecretFile(path, `${made}\n`);
  return made;
}

/** Replaces the file if its text is another one: whole or not at all, 0600. @throws UP_DIR_UNWRITABLE */
export async function writeIfChanged(path: string, text: string): Promise<void> {
  if ((await readIfThere(path)) === text.trim()) return;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, cause: unknown): ConsiliumError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new ConsiliumError('UP_DIR_UNWRITABLE', `${detail}.`, {
    where: path,
    fix: 'Give this user the right to read and write there: the volume must belong to the user of the image.',
    cause,
  });
}
