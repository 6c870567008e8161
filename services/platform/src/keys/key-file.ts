import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';
import { createIdentity, type Identity, type IdentityKind, identityFromSeed } from './identity.js';

/**
 * Reads a secret file that only its owner may read.
 * @throws ConsiliumError TRUST_KEY_MISSING, TRUST_KEY_READABLE (group or others have any right on it).
 */
export async function readSecretFile(path: string): Promise<string> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new ConsiliumError('TRUST_KEY_MISSING', 'No such file.', { where: path, cause });
    }
    throw cause;
  }
  try {
    // Asked of the open file, so that it cannot be swapped between the question and the reading.
    const { mode } = await file.stat();
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(3, '0');
      throw new ConsiliumError('TRUST_KEY_READABLE', `Its mode is ${shown}, 600 is needed.`, { where: path });
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/**
 * Writes a new secret file, 0600, in a folder that is made 0700 if it is missing. The file appears
 * whole or not at all, and an existing one is never overwritten.
 * @throws ConsiliumError TRUST_KEY_EXISTS
 */
export async function createSecretFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(temporary, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new ConsiliumError('TRUST_KEY_EXISTS', 'The file exists.', { where: path, cause });
  } finally {
    await unlink(temporary);
  }
}

/**
 * Loads the identity whose seed is the file's only content.
 * @throws ConsiliumError TRUST_KEY_MISSING, TRUST_KEY_READABLE, TRUST_BAD_KEY
 */
export async function loadIdentity(path: string): Promise<Identity> {
  return identityFromSeed(await readSecretFile(path), path);
}

/** Saves the seed, 0600. @throws ConsiliumError TRUST_KEY_EXISTS; keys are never overwritten. */
export async function saveIdentity(identity: Identity, path: string): Promise<void> {
  await createSecretFile(path, `${identity.seed()}\n`);
}

/** Loads the identity from the file, or makes one and saves it there. Two callers at once get the same one. */
export async function loadOrCreateIdentity(path: string, kind: IdentityKind): Promise<Identity> {
  try {
    return await loadIdentity(path);
  } catch (error) {
    if (!(error instanceof ConsiliumError) || error.code !== 'TRUST_KEY_MISSING') throw error;
  }
  const identity = createIdentity(kind);
  try {
    await saveIdentity(identity, path);
    return identity;
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === 'TRUST_KEY_EXISTS') return loadIdentity(path);
    throw error;
  }
}
