import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../..', import.meta.url));

/** Flags that every container of ours must live with. */
export const hardened = [
  '--read-only',
  ...['--cap-drop', 'ALL'],
  ...['--security-opt', 'no-new-privileges'],
  ...['--tmpfs', '/tmp'],
];

export interface Engine {
  /** The engine's client. */
  readonly docker: string;
  /** Command of Docker Compose, as words. */
  readonly compose: readonly string[];
}

/** Finds or starts an engine and Compose. @returns the reason to skip as text */
export function findEngine(): Engine | string {
  const docker = script('engine.sh');
  if (typeof docker !== 'string') return `needs a container engine: ${docker.reason}`;
  const compose = script('compose.sh');
  if (typeof compose !== 'string') return `needs Docker Compose: ${compose.reason}`;
  return { docker, compose: compose.split(' ') };
}

function script(name: string): string | { readonly reason: string } {
  const { status, stdout, stderr } = spawnSync('bash', [`scripts/containers/${name}`], {
    cwd: repository,
    encoding: 'utf8',
    timeout: 15 * 60_000,
  });
  if (status === 0) return stdout.trim();
  return { reason: stderr.trim().split('\n').at(-1) ?? `${name} ended with ${status}` };
}

export interface Images {
  readonly reducer: string;
  readonly client: string;
  readonly nats: string;
  readonly minio: string;
  readonly gateway: string;
}

/** Builds the base images without a registry, and ours on them. What did not change comes out of the cache. */
export function buildImages(
  { docker }: Engine,
  variant: { readonly client: string; readonly more: readonly string[] } = {
    client: 'consilium-client:test',
    more: [],
  },
): Images {
  const bases = execFileSync('bash', ['scripts/containers/base-images.sh'], {
    cwd: repository,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const base = Object.fromEntries(
    bases
      .trim()
      .split('\n')
      .map((line) => line.split('=') as [string, string]),
  );
  const build = (file: string, tag: string, more: readonly string[] = []): string => {
    const bases = ['NODE_IMAGE', 'BASE_IMAGE'].flatMap((name) => ['--build-arg', `${name}=${base[name]}`]);
    const { status, stderr } = spawnSync(
      docker,
      ['build', '-q', '-f', file, ...bases, ...more, '-t', tag, '.'],
      {
        cwd: repository,
        encoding: 'utf8',
        env: { ...process.env, DOCKER_BUILDKIT: '1' },
      },
    );
    if (status !== 0) throw new Error(`${file} does not build:\n${stderr.slice(-4000)}`);
    return tag;
  };
  return {
    reducer: build('Dockerfile.reducer', 'consilium-reducer:test'),
    client: build('Dockerfile.client', variant.client, ['--target', 'cpu', ...variant.more]),
    nats: base.NATS_IMAGE!,
    minio: base.MINIO_IMAGE!,
    gateway: base.GATEWAY_IMAGE!,
  };
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function command(
  words: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<Ended> {
  const [program = '', ...args] = words;
  const child = spawn(program, args, {
    cwd: options.cwd ?? repository,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** The same; what it wrote, with white space at the ends cut off. @throws when it ends with another code than 0 */
export async function output(
  words: readonly string[],
  options: Parameters<typeof command>[1] = {},
): Promise<string> {
  const { code, stdout, stderr } = await command(words, options);
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  return stdout.trim();
}
