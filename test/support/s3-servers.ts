import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.js';

export type S3ServerName = 'minio' | 'versitygw';

export interface S3Server {
  /** `http://127.0.0.1:port` */
  readonly endpoint: string;
  /** The same server under another name, as behind a gateway. */
  readonly publicEndpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const variables = { minio: 'CONSILIUM_MINIO', versitygw: 'CONSILIUM_VERSITYGW' } as const;

/** The binary that the environment names, that is on the PATH, or that `scripts/servers/<name>.sh` built. */
export function findS3Server(name: S3ServerName): string | undefined {
  const named = process.env[variables[name]];
  if (named !== undefined && named !== '') return existsSync(named) ? named : undefined;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder !== '' && existsSync(join(folder, name))) return join(folder, name);
  }
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'consilium', 'bin');
  if (!existsSync(cache)) return undefined;
  const built = readdirSync(cache).filter((file) => file.startsWith(`${name}-`));
  const newest = built.sort().at(-1);
  return newest === undefined ? undefined : join(cache, newest);
}

/** Why a suite is skipped, or `false`. */
export function needsS3Server(name: S3ServerName): string | false {
  return findS3Server(name) === undefined ? `needs ${name}` : false;
}

/** Starts a server with an empty folder on a free loopback port, and waits until it answers. */
export async function startS3Server(name: S3ServerName): Promise<S3Server> {
  const binary = findS3Server(name);
  if (binary === undefined) throw new Error(`needs ${name}`);
  const folder = await mkdtemp(join(tmpdir(), `consilium-${name}-`));
  const accessKey = 'consilium-test';
  const secretKey = 'consilium-test-secret';
  // The port may be taken between finding it and using it.
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const child = await launch(name, binary, folder, port, accessKey, secretKey);
    const endpoint = `http://127.0.0.1:${port}`;
    if (await answers(child, endpoint)) {
      return {
        endpoint,
        publicEndpoint: `http://localhost:${port}`,
        accessKey,
        secretKey,
        pid: child.pid as number,
        async stop() {
          await end(child);
          await rm(folder, { recursive: true, force: true });
        },
      };
    }
    await end(child);
    if (attempt === 3) {
      await rm(folder, { recursive: true, force: true });
      throw new Error(`${name} did not start`);
    }
  }
}

async function launch(
  name: S3ServerName,
  binary: string,
  folder: string,
  port: number,
  accessKey: string,
  secretKey: string,
): Promise<ChildProcess> {
  const data = join(folder, 'data');
  const sidecar = join(folder, 'sidecar');
  await mkdir(data, { recursive: true });
  await mkdir(sidecar, { recursive: true });
  const address = `127.0.0.1:${port}`;
  const args =
    name === 'minio'
      ? ['server', data, '--address', address, '--quiet']
      : ['--port', address, '--quiet', 'posix', '--sidecar', sidecar, data];
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    MINIO_ROOT_USER: accessKey,
    MINIO_ROOT_PASSWORD: secretKey,
    MINIO_BROWSER: 'off',
    MINIO_UPDATE: 'off',
    ROOT_ACCESS_KEY_ID: accessKey,
    ROOT_SECRET_ACCESS_KEY: secretKey,
  };
  return spawn(binary, args, { env, stdio: 'ignore' });
}

async function answers(child: ChildProcess, endpoint: string): Promise<boolean> {
  let failed = false;
  child.once('error', () => {
    failed = true;
  });
  for (let i = 0; i < 300; i++) {
    if (failed || child.exitCode !== null) return false;
    try {
      const answer = await fetch(endpoint, { signal: AbortSignal.timeout(1000) });
      await answer.arrayBuffer();
      // Refusing an unsigned request is what a server does that is ready.
      if (answer.status === 403) return true;
    } catch {
      // Not listening yet.
    }
    await delay(100);
  }
  return false;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
