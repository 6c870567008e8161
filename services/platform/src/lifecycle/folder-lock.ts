import { randomBytes } from 'node:crypto';
import { link, lstat, open, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { ConsiliumError, type ErrorCode } from '@consilium/protocol';

export interface FolderLock {
  release(): Promise<void>;
}

export interface FolderLockOptions {
  /** Name of the lock in the folder. */
  readonly file: string;
  /** Error for a folder that somebody else works on, and how to say who that is. */
  readonly inUse: ErrorCode;
  readonly holder: string;
  /** Error for a folder in which no lock can be made. */
  readonly unwritable: ErrorCode;
}

/**
 * Makes sure that one process alone works on a folder. The lock is a socket that its owner listens on:
 * the kernel closes it with the process, however that ends, and it also holds between containers that share
 * the folder, where process ids mean nothing. (Across machines nothing can be said; such a folder is one
 * machine's.)
 *
 * @throws ConsiliumError with the codes of the options
 */
export async function lockFolder(folder: string, options: FolderLockOptions): Promise<FolderLock> {
  const unwritable = (cause: unknown): ConsiliumError => {
    const detail = `Writing failed: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}.`;
    return new ConsiliumError(options.unwritable, detail, { where: folder, cause });
  };
  const short = await shortName(folder).catch((cause: unknown) => {
    throw unwritable(cause);
  });
  try {
    const own = `lock-${process.pid}-${randomBytes(4).toString('hex')}`;
    const server = await listen(short.path(own)).catch((cause: unknown) => {
      throw unwritable(cause);
    });
    try {
      const taken = await take(folder, own, options.file, short.path).catch((cause: unknown) => {
        throw unwritable(cause);
      });
      if (!taken) {
        throw new ConsiliumError(options.inUse, `It is locked by ${options.holder}.`, { where: folder });
      }
    } catch (error) {
      await close(server);
      throw error;
    } finally {
      await unlink(join(folder, own)).catch(() => undefined); // the other name stays
    }
    return {
      async release() {
        await unlink(join(folder, options.file)).catch(() => undefined); // a stale one is no harm
        await close(server);
      },
    };
  } finally {
    await short.done();
  }
}

/** @returns whether the lock is ours now; false when its owner is alive. */
async function take(
  folder: string,
  own: string,
  file: string,
  path: (name: string) => string,
): Promise<boolean> {
  const lock = join(folder, file);
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await link(join(folder, own), lock);
      return true;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    }
    const before = await lstat(lock).catch(() => undefined);
    if (await isAlive(path(file))) break;
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
  return false;
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Anything but "nobody listens" counts as alive: two owners at once are worse than none.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT' && error.code !== 'ENOTSOCK');
    });
  });
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
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
  const handle = await open(folder, 'r');
  return {
    path: (name) => `/proc/self/fd/${handle.fd}/${name}`,
    done: () => handle.close(),
  };
}
