import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { ConsiliumError } from '@consilium/protocol';
import { errno } from './fs-errors.js';
import type { StoreRoot } from './root.js';

export interface RootLock {
  release(): Promise<void>;
}

interface Holder {
  readonly instance: string;
  readonly url: string;
}

/**
 * One server a folder: `ifMatch` is decided inside the process. The lock names the holder's address, and whoever
 * finds it asks there, so that a holder that was killed blocks nobody and no process id can mislead.
 * @throws STORE_ROOT_IN_USE
 */
export async function lockRoot(
  root: StoreRoot,
  holder: Holder,
  isAlive: (holder: Holder) => Promise<boolean> = answers,
): Promise<RootLock> {
  const path = root.private('lock.json');
  const mine = root.private(`lock-${holder.instance}.json`);
  await writeFile(mine, JSON.stringify(holder), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        await link(mine, path);
        return { release: () => release(path, holder) };
      } catch (error) {
        if (errno(error) !== 'EEXIST') throw error;
      }
      const other = await read(path);
      if (other !== undefined && (await isAlive(other))) {
        throw new ConsiliumError('STORE_ROOT_IN_USE', `The server at ${other.url} answers for it.`, {
          where: root.path,
        });
      }
      await takeAway(root, path, other);
    }
  } finally {
    await rm(mine, { force: true });
  }
  throw new ConsiliumError('STORE_ROOT_IN_USE', 'Other servers start in it at the same time.', {
    where: root.path,
  });
}

/** Asks the holder for its name; a server that does not answer within two seconds is gone. */
async function answers(holder: Holder): Promise<boolean> {
  try {
    const answer = await fetch(`${holder.url}/healthz`, { signal: AbortSignal.timeout(2000) });
    const body = (await answer.json()) as { instance?: unknown };
    return body.instance === holder.instance;
  } catch {
    // Refused, timed out, or somebody else's server on that port by now: in each case not the holder.
    return false;
  }
}

/** Moves a dead holder's lock away; if it was replaced in between, the new one is put back. */
async function takeAway(root: StoreRoot, path: string, dead: Holder | undefined): Promise<void> {
  const aside = root.private(`lock-${randomUUID()}.json`);
  try {
    await rename(path, aside);
  } catch (error) {
    if (errno(error) === 'ENOENT') return;
    throw error;
  }
  const moved = await read(aside);
  if (moved?.instance !== dead?.instance) {
    await link(aside, path).catch((error: unknown) => {
      if (errno(error) !== 'EEXIST') throw error;
    });
  }
  await rm(aside, { force: true });
}

async function release(path: string, holder: Holder): Promise<void> {
  const current = await read(path);
  if (current?.instance === holder.instance) await rm(path, { force: true });
}

async function read(path: string): Promise<Holder | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder>;
    return typeof value.instance === 'string' && typeof value.url === 'string'
      ? (value as Holder)
      : undefined;
  } catch (error) {
    if (errno(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
