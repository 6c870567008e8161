import { constants } from 'node:fs';
import { access, mkdir, statfs } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { detectIsolation, parseSize } from '@consilium/package-runner';
import { createLogger, findNatsServer, openAdvisories } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import { formatBytes } from '../core/output.js';
import { type Check, fail, ok, warn } from './check.js';
import type { Subject } from './subject.js';

const GB = 1e9;

/** @param version `process.version`, such as `v20.19.0` */
export function checkNode(version: string = process.version): Check {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  const where = `${version} on ${process.platform} ${process.arch}`;
  const isOld = major < 20 || (major === 20 && minor < 19);
  return isOld ? fail('node', where, 'Install Node 20.19 or newer.') : ok('node', where);
}

export async function checkIsolation({ client }: Subject): Promise<Check> {
  const { isolation, detail } = await detectIsolation();
  if (isolation === 'bubblewrap') return ok('isolation', detail);
  const text = `packages run as plain processes with limits: ${detail}`;
  const fix = 'Install bubblewrap and allow user namespaces.';
  if (client?.policy.isolation !== 'sandbox') return warn('isolation', text, fix);
  return fail(
    'isolation',
    `client.yaml demands a sandbox, but ${text}`,
    `${fix} Or set policy.isolation to any.`,
  );
}

/** Only looked for, never fetched. */
export async function checkNatsServer(): Promise<Check> {
  const log = createLogger({ service: 'doctor', level: 'silent' });
  try {
    const { path, version, origin } = await findNatsServer({ log, ways: [] });
    const text = `${version} (${origin}: ${path})`;
    const open = openAdvisories(version);
    if (open.length === 0) return ok('nats-server', text);
    return warn(
      'nats-server',
      `${text}, open to ${open.join(', ')}`,
      'Good for trying out on loopback; install a current one for more.',
    );
  } catch (error) {
    if (!(error instanceof ConsiliumError && error.code === 'UP_NO_NATS')) throw error;
    return warn('nats-server', 'none here', '`consilium up` fetches one; nothing else needs it.');
  }
}

export async function checkDisk({ client }: Subject): Promise<Check> {
  const folder = await nearestFolder(client?.state ?? homedir());
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const text = `${formatBytes(free)} free at ${folder}`;
  if (free < GB) return fail('disk space', text, 'Free at least 1 GB.');
  const cache = client === undefined ? undefined : parseSize(client.cache_size);
  if (cache !== undefined && free < cache) {
    return warn(
      'disk space',
      `${text}, cache_size is ${client?.cache_size}`,
      'Free space, or lower cache_size in client.yaml.',
    );
  }
  return free < 5 * GB
    ? warn('disk space', text, 'Free some space: models and packages are cached.')
    : ok('disk space', text);
}

async function nearestFolder(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const isThere = await access(at).then(
      () => true,
      () => false,
    );
    if (isThere || dirname(at) === at) return at;
  }
}

/** The folders that are written to: temporary files, and the state folder of the site or the person's own. */
export async function checkFolders(
  { client }: Subject,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Check> {
  const own = join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'consilium');
  const folders = [client?.state ?? own, tmpdir()];
  for (const folder of folders) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await access(folder, constants.W_OK | constants.X_OK);
    } catch (error) {
      const fix = 'Give this user the right to write there, or choose another folder.';
      return fail('folders', `${folder} cannot be written: ${(error as Error).message}`, fix);
    }
  }
  return ok('folders', `${folders.join(' and ')} can be written`);
}
