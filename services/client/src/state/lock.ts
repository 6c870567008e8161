import { randomBytes } from 'node:crypto';
import { link, lstat, open, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';
import { unwritable } from './json-file.js';

export interface StateLock {
  release(): Promise<void>;
}

const LOCK = 'client.lock';

/**
 * Makes sure that one client alone works on a state folder. The lock is a socket that its owner listens on:
 * the kernel closes it with the process, however that ends, and it also holds between containers that share
 * the folder, where process ids mean nothing. (Across machines nothing can be said; a state folder is one
 * machine's.)
 *
 * @throws ConsiliumError CLIENT_STATE_IN_USE, CLIENT_STATE_UNWRITABLE
 */
export async function lockState(folder: string): Promise<StateLock> {
  const short = await shortName(folder);
  try {
    const own = `lock-${process.pid}-${randomBytes(4).toString('hex')}`;
    const server = await listen(short.path(own), folder);
    try {
      await take(folder, own, short.path);
    } catch (error) {
      await close(server);
      throw error;
    } finally {
      await unlink(join(folder, own)).catch(() => undefined); // the other name stays
    }
    return {
      async release() {
        await unlink(join(folder, LOCK)).catch(() => undefined); // a stale one is no harm
        await close(server);
      },
    };
  } finally {
    await short.done();
  }
}

async function take(folder: string, own: string, path: (name: string) => string): Promise<void> {
  const lock = join(folder, LOCK);
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await link(join(folder, own), lock);
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(lock, cause);
    }
    const before = await lstat(lock).catch(() => undefined);
    if (await isAlive(path(LOCK))) break;
    if (before === undefined) continue;
    // Its owner is dead. Somebody else may find that out too and have taken the lock in the meantime: what
    // was moved aside is looked at, and put back if it is not the dead one.
    const aside = join(folder, `${own}.stale`);
    const moved = await rename(lock, aside).then(
      () => lstat(aside),
      () => undefined,
    );
    if (moved !== undefined && moved.ino !== before.ino) await link(aside, lock).catch(() => undefined);
    await unlink(aside).catch(() => undefined);
  }
  throw new ConsiliumError('CLIENT_STATE_IN_USE', 'It is locked by a client that runs.', { where: folder });
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Anything but "nobody listens" counts as alive: two clients at once are worse than none.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT' && error.code !== 'ENOTSOCK');
    });
  });
}

function listen(path: string, folder: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (cause) => reject(unwritable(folder, cause)));
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/**
 * Socket paths are limited to about 100 bytes. On Linux an open folder has a short name of its own;
 * elsewhere the path is used as it is.
 */
async function shortName(folder: string): Promise<{ path(name: string): string; done(): Promise<void> }> {
  if (process.platform !== 'linux')
    return { path: (name) => join(folder, name), done: async () => undefined };
  const handle = await open(folder, 'r').catch((cause: unknown) => {
    throw unwritable(folder, cause);
  });
  return {
    path: (name) => `/proc/self/fd/${handle.fd}/${name}`,
    done: () => handle.close(),
  };
}
