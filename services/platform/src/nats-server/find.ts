import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  access,
  chmod,
  constants,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { ConsiliumError, cacheFolder } from '@consilium/protocol';
import { serverFeatures } from '../bus/features.js';
import type { Logger } from '../log/index.js';
import { httpFetch } from '../net/http-dispatcher.js';
import { goVersion, releaseArchives, releaseVersion } from './releases.js';
import { isAtLeast, parseVersion } from './version.js';

const run = promisify(execFile);

/** Where a nats-server came from. */
export type NatsServerOrigin = 'path' | 'cache' | 'debian' | 'go' | 'release';

export interface FoundNatsServer {
  readonly path: string;
  /** Such as `2.15.2`. */
  readonly version: string;
  readonly origin: NatsServerOrigin;
}

export interface FindOptions {
  readonly log: Logger;
  /** Default: `$XDG_CACHE_HOME/consilium/bin`, or `~/.cache/consilium/bin`. */
  readonly cacheDir?: string;
  /** This binary, whatever its file is called, and no other: nothing is searched or fetched. */
  readonly file?: string;
  /** Folders to search, in the form of PATH. Default: PATH. */
  readonly path?: string;
  /** Ways to fetch one, in order; all by default. For tests and for sites that allow only some. */
  readonly ways?: readonly Exclude<NatsServerOrigin, 'path' | 'cache'>[];
  readonly signal?: AbortSignal;
}

export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheFolder(env), 'bin');
}

/**
 * Finds a nats-server that is new enough: on the PATH, in the cache, or by the first way to fetch one
 * that works. Nothing is installed into the system and no root is needed.
 *
 * @throws ConsiliumError UP_NO_NATS with the reason of every way that failed.
 */
export async function findNatsServer(options: FindOptions): Promise<FoundNatsServer> {
  const { log, cacheDir = defaultCacheDir(), path = process.env.PATH ?? '' } = options;
  if (options.file !== undefined) {
    const given = await firstUsable([options.file], 'path', log);
    if (given !== undefined) return given;
    const detail = `It is no nats-server ${serverFeatures.base.join('.')} or newer that runs here.`;
    throw new ConsiliumError('UP_NO_NATS', detail, { where: options.file });
  }
  const installed = await firstUsable(
    path.split(delimiter).map((dir) => join(dir, 'nats-server')),
    'path',
    log,
  );
  if (installed !== undefined) return installed;
  await mkdir(cacheDir, { recursive: true });
  const cached = await firstUsable(await cachedServers(cacheDir), 'cache', log);
  if (cached !== undefined) return cached;

  const failures: string[] = [];
  for (const way of options.ways ?? (['debian', 'go', 'release'] as const)) {
    const work = await mkdtemp(join(cacheDir, '.fetch-'));
    try {
      log.info({ way }, 'no nats-server here, fetching one');
      const binary = await ways[way](work, options.signal);
      const version = await versionOf(binary);
      if (version === undefined) throw new Error('what was fetched does not run');
      const target = join(cacheDir, `nats-server-${version}`);
      await chmod(binary, 0o755);
      // First beside the target, then renamed: another process sees all of it or nothing.
      await copyFile(binary, `${target}.${process.pid}`);
      await rename(`${target}.${process.pid}`, target);
      log.info({ way, version, path: target }, 'nats-server is in the cache now');
      return { path: target, version, origin: way };
    } catch (error) {
      const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
      log.debug({ way, err: error }, 'this way to nats-server failed');
      failures.push(`${way}: ${reason}`);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    options.signal?.throwIfAborted();
  }
  throw new ConsiliumError('UP_NO_NATS', `${failures.join('; ')}.`, { where: cacheDir });
}

async function firstUsable(
  candidates: readonly string[],
  origin: NatsServerOrigin,
  log: Logger,
): Promise<FoundNatsServer | undefined> {
  for (const candidate of candidates) {
    const version = await versionOf(candidate);
    if (version === undefined) continue;
    const parsed = parseVersion(version);
    if (parsed !== undefined && isAtLeast(parsed, serverFeatures.base)) {
      log.debug({ path: candidate, version, origin }, 'found nats-server');
      return { path: candidate, version, origin };
    }
    log.warn(
      { path: candidate, version, needed: serverFeatures.base.join('.') },
      'this nats-server is too old',
    );
  }
  return undefined;
}

/** Newest first. */
async function cachedServers(cacheDir: string): Promise<string[]> {
  const names = (await readdir(cacheDir)).filter((name) => /^nats-server-\d+\.\d+\.\d+$/.test(name));
  const version = (name: string): readonly [number, number, number] => parseVersion(name) ?? [0, 0, 0];
  names.sort((a, b) => (isAtLeast(version(a), version(b)) ? -1 : 1));
  return names.map((name) => join(cacheDir, name));
}

/** Version of the binary, or undefined when there is none or it does not run here. */
async function versionOf(binary: string): Promise<string | undefined> {
  try {
    await access(binary, constants.X_OK);
    const { stdout } = await run(binary, ['--version'], { timeout: 10_000 });
    return parseVersion(stdout)?.join('.');
  } catch {
    return undefined;
  }
}

type Way = (work: string, signal: AbortSignal | undefined) => Promise<string>;

/** Each puts a binary somewhere under `work` and gives its path. */
const ways: Record<Exclude<NatsServerOrigin, 'path' | 'cache'>, Way> = {
  /** Debian's package, unpacked: apt checks its signature. */
  async debian(work, signal) {
    const limits = { cwd: work, timeout: 120_000, ...(signal === undefined ? {} : { signal }) };
    await run('apt-get', ['download', 'nats-server'], limits);
    const deb = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (deb === undefined) throw new Error('apt-get downloaded nothing');
    await run('dpkg-deb', ['-x', deb, 'unpacked'], limits);
    return join(work, 'unpacked', 'usr', 'sbin', 'nats-server');
  },
  async go(work, signal) {
    const module = `github.com/nats-io/nats-server/v2@${goVersion}`;
    await run('go', ['install', module], {
      env: { ...process.env, GOBIN: work, CGO_ENABLED: '0' },
      timeout: 600_000,
      ...(signal === undefined ? {} : { signal }),
    });
    return join(work, 'nats-server');
  },
  async release(work, signal) {
    const archive = releaseArchives[`${process.platform}-${process.arch}`];
    if (archive === undefined) throw new Error(`no pinned release for ${process.platform}-${process.arch}`);
    const base = 'https://github.com/nats-io/nats-server/releases/download';
    const url = `${base}/${releaseVersion}/${archive.name}.tar.gz`;
    const answer = await httpFetch()(url, { signal: signal ?? AbortSignal.timeout(300_000) });
    if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (digest !== archive.sha256)
      throw new Error(`${url} has the checksum ${digest}, not ${archive.sha256}`);
    const file = join(work, 'release.tar.gz');
    await writeFile(file, bytes);
    await run('tar', ['-xzf', file, '-C', work], { timeout: 60_000 });
    return join(work, archive.name, 'nats-server');
  },
};
