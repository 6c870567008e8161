import { access, constants, mkdir, open, readdir, realpath, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { proxyFor, trustedCertificates } from '@consilium/platform';
import { type ClientConfig, ConsiliumError } from '@consilium/protocol';
import type { KeyPath } from './layers.js';

/**
 * Looks at what the paths point to, and makes the state folder (0700: it holds the site's key).
 * @throws ConsiliumError CLIENT_DATA_MISSING, CLIENT_STATE_UNWRITABLE, CLIENT_BAD_CONFIG, CLIENT_CA_UNREADABLE
 */
export async function checkFolders(config: ClientConfig, where: (key: KeyPath) => string): Promise<void> {
  await checkData(config.data.path, where(['data', 'path']));
  const [data, state] = await Promise.all([realpath(config.data.path), futureRealpath(config.state)]);
  if (contains(data, state) || contains(state, data)) {
    // Otherwise the package would see the site's key folder, and the data's digest would never hold still.
    const detail = `The state folder ${state} and the data folder ${data} lie in each other.`;
    throw new ConsiliumError('CLIENT_BAD_CONFIG', detail, { where: where(['state']) });
  }
  checkCertificates(config.ca_file, where(['ca_file']));
  checkProxy(config.proxy, where(['proxy']));
  // Last, because it makes the folder: a file that is refused leaves nothing behind.
  await checkState(config.state, where(['state']));
}

/** The real path that a folder has, or will have once it is made. */
async function futureRealpath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) return path;
    return join(await futureRealpath(parent), basename(path));
  }
}

function contains(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`));
}

async function checkData(path: string, where: string): Promise<void> {
  const fail = (detail: string, cause?: unknown): ConsiliumError =>
    new ConsiliumError('CLIENT_DATA_MISSING', detail, { where, cause });
  try {
    const info = await stat(path);
    if (!info.isDirectory()) throw fail(`${path} is a file; a folder is expected.`);
    await access(path, constants.R_OK | constants.X_OK);
    await readdir(path);
  } catch (error) {
    if (error instanceof ConsiliumError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw fail(`There is no folder ${path}.`, error);
    throw fail(`${path} cannot be read (${code ?? String(error)}).`, error);
  }
}

async function checkState(path: string, where: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const probe = join(path, `.write-test-${process.pid}`);
    const file = await open(probe, 'w', 0o600);
    await file.close();
    await unlink(probe);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new ConsiliumError('CLIENT_STATE_UNWRITABLE', `${path} (${reason}).`, { where, cause });
  }
}

function checkCertificates(file: string | undefined, where: string): void {
  try {
    trustedCertificates(file);
  } catch (cause) {
    const detail = cause instanceof ConsiliumError ? `${file}: ${cause.detail}` : String(cause);
    throw new ConsiliumError('CLIENT_CA_UNREADABLE', detail, { where, cause });
  }
}

function checkProxy(proxy: string | undefined, where: string): void {
  if (proxy === undefined) return;
  try {
    proxyFor('https://reducer.example.org', { proxy, noProxy: '' });
  } catch (cause) {
    const detail = cause instanceof ConsiliumError ? `proxy: ${cause.detail}` : String(cause);
    throw new ConsiliumError('CLIENT_BAD_CONFIG', detail, { where, cause });
  }
}
