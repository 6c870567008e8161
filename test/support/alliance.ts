import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { command, type Ended, type Engine, hardened, type Images, output, repository } from './containers.js';
import { freePort } from './free-port.js';

const host = 'consilium.test';

/** The alliance of deploy/compose.yaml, and clients in containers on networks of their own. */
export class Alliance {
  readonly engine: Engine;
  readonly images: Images;
  readonly project: string;
  readonly dir: string;
  readonly port: number;
  readonly sites: readonly string[];
  readonly #clients: string[] = [];

  private constructor(parts: Pick<Alliance, 'engine' | 'images' | 'project' | 'dir' | 'port' | 'sites'>) {
    this.engine = parts.engine;
    this.images = parts.images;
    this.project = parts.project;
    this.dir = parts.dir;
    this.port = parts.port;
    this.sites = parts.sites;
  }

  /** Brings everything up and waits until it is healthy. */
  static async start(engine: Engine, images: Images, sites: readonly string[]): Promise<Alliance> {
    const dir = await mkdtemp(join(tmpdir(), 'consilium-containers-'));
    await chmod(dir, 0o755);
    const port = await freePort();
    const project = `consilium-test-${process.pid}`;
    const alliance = new Alliance({ engine, images, project, dir, port, sites });
    await writeFile(join(dir, '.env'), await alliance.#settings());
    await writeFile(join(dir, 'sites.yaml'), networks(sites));
    for (const name of ['home', 'work']) {
      await mkdir(join(dir, name));
      // The containers' user is another one.
      await chmod(join(dir, name), 0o777);
    }
    await alliance.compose('up', '--detach', '--wait');
    return alliance;
  }

  get url(): string {
    return `http://${host}:${this.port}`;
  }

  /** The gateway from this machine. */
  get local(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async #settings(): Promise<string> {
    const { images, port } = this;
    return `${[
      `CONSILIUM_PUBLIC_URL=http://${host}:${port}`,
      `CONSILIUM_PORT=${port}`,
      `CONSILIUM_CONSOLE_PORT=${await freePort()}`,
      `CONSILIUM_REDUCER_IMAGE=${images.reducer}`,
      `CONSILIUM_CLIENT_IMAGE=${images.client}`,
      `NATS_IMAGE=${images.nats}`,
      `MINIO_IMAGE=${images.minio}`,
      `GATEWAY_IMAGE=${images.gateway}`,
      'CONSILIUM_PULL=never',
    ].join('\n')}\n`;
  }

  compose(...words: string[]): Promise<string> {
    const files = [join(repository, 'deploy/compose.yaml'), join(this.dir, 'sites.yaml')];
    return output([
      ...this.engine.compose,
      ...['--project-name', this.project, '--env-file', join(this.dir, '.env')],
      ...files.flatMap((file) => ['--file', file]),
      ...words,
    ]);
  }

  docker(...words: string[]): Promise<string> {
    return output([this.engine.docker, ...words]);
  }

  /** Name of the container of a service. */
  container(service: string): string {
    return `${this.project}-${service}-1`;
  }

  /** Everything a container has printed. */
  async logs(container: string): Promise<string> {
    const { stdout, stderr } = await command([this.engine.docker, 'logs', container]);
    return stdout + stderr;
  }

  /** A command of `consilium`, in a container that reaches nothing but the one address. */
  async cli(...words: string[]): Promise<Ended> {
    return await command([
      ...[this.engine.docker, 'run', '--rm', ...hardened, '--network', `${this.project}_edge`],
      ...['--volume', `${join(this.dir, 'home')}:/home/op`, '--env', 'HOME=/home/op'],
      ...['--volume', `${join(this.dir, 'work')}:/work`, '--workdir', '/work'],
      ...['--volume', `${join(repository, 'compute-packages')}:/packages:ro`],
      this.images.reducer,
      ...words,
    ]);
  }

  /** The result of a command, parsed. @throws when it fails */
  async result<T>(...words: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.cli(...words, '--json');
    if (code !== 0) throw new Error(`consilium ${words.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as T;
  }

  /** Real data of a site, and a client.yaml from the command line with a token of its own. */
  async prepareSites(): Promise<void> {
    const module = pathToFileURL(join(repository, 'compute-packages/breast-fna/dist/prepare.js')).href;
    const { prepare } = (await import(module)) as { prepare(out: string, seed: number): unknown };
    prepare(join(this.dir, 'data'), 0);
    for (const site of this.sites) {
      await this.result('client-config', 'create', '--name', site, '--out', `/work/${site}.yaml`);
    }
  }

  /** `docker run` of a client as its guide says, with the flags that hospitals set. */
  async startClient(site: string, words: readonly string[] = []): Promise<string> {
    const name = `${this.project}-${site}`;
    await this.docker(
      ...['run', '--detach', '--name', name, ...hardened, '--network', `${this.project}_${site}`],
      ...['--volume', `${join(this.dir, 'work', `${site}.yaml`)}:/app/client.yaml:ro`],
      ...['--volume', `${join(this.dir, 'data', site)}:/app/data:ro`],
      ...['--volume', `${name}:/var/lib/consilium`],
      this.images.client,
      ...words,
    );
    this.#clients.push(name);
    return name;
  }

  /** Waits until a container has printed something. */
  async until(container: string, text: string, seconds = 90): Promise<void> {
    for (let waited = 0; waited < seconds; waited++) {
      if ((await this.logs(container)).includes(text)) return;
      await sleep(1000);
    }
    throw new Error(`${container} did not say "${text}":\n${(await this.logs(container)).slice(-4000)}`);
  }

  /** User and password of MinIO, as `docker compose run minio-credentials` shows them. */
  async storeCredentials(): Promise<{ user: string; password: string }> {
    const line = await this.compose('run', '--rm', 'minio-credentials');
    const found = /user: (\S+) {2}password: (\S+)/.exec(line);
    if (found === null) throw new Error(`no credentials in: ${line}`);
    return { user: found[1]!, password: found[2]! };
  }

  async adminToken(): Promise<string> {
    const log = await this.logs(this.container('bootstrap'));
    const found = /^admin token, shown only now: (cat_\S+)$/m.exec(log);
    if (found === null) throw new Error(`no admin token in: ${log}`);
    return found[1]!;
  }

  async reducerKey(): Promise<string> {
    const answer = await fetch(`${this.local}/api/v1/info`);
    return ((await answer.json()) as { reducer_key: string }).reducer_key;
  }

  readWork(name: string): Promise<string> {
    return readFile(join(this.dir, 'work', name), 'utf8');
  }

  async close(): Promise<void> {
    for (const name of this.#clients) {
      await command([this.engine.docker, 'rm', '--force', name]);
      await command([this.engine.docker, 'volume', 'rm', '--force', name]);
    }
    await this.compose('--profile', '*', 'down', '--volumes', '--timeout', '5');
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** A network for each site on which there is nothing but the gateway, under the public name. */
function networks(sites: readonly string[]): string {
  const all = ['edge', ...sites];
  return `services:
  gateway:
    networks:
${all.map((name) => `      ${name}: { aliases: [${host}] }`).join('\n')}
networks:
${sites.map((name) => `  ${name}: { internal: true }`).join('\n')}
`;
}
