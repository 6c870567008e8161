import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBus, createLogger, openKv } from '@consilium/platform';
import { serviceInbox } from '@consilium/protocol';
import { freePort } from '../support/free-port.js';
import { natsBinaries } from '../support/nats-servers.js';
import { find, type Manifest, noHelm, podsOf, render, repository } from './chart.js';
import { SecretsApi } from './secrets-api.js';

const log = createLogger({ service: 'test', level: 'silent', pretty: false });

/** Runs the steps of the bootstrap job as its pod does, with the API at `api`. */
class Bootstrap {
  readonly api: SecretsApi;
  readonly #job: Manifest;
  readonly #script: string;
  readonly #work: string;

  private constructor(api: SecretsApi, job: Manifest, script: string, work: string) {
    this.api = api;
    this.#job = job;
    this.#script = script;
    this.#work = work;
  }

  /** A pod starts with an empty folder. */
  static async create(api: SecretsApi, folder: string, values: string[] = []): Promise<Bootstrap> {
    const manifests = render(values);
    const work = await mkdtemp(join(folder, 'pod-'));
    const script = join(work, 'bootstrap.mjs');
    const { data } = find(manifests, 'ConfigMap', 'alliance-reducer-bootstrap');
    await writeFile(script, data['bootstrap.mjs']);
    const account = join(work, 'account');
    await mkdir(account);
    await writeFile(join(account, 'token'), api.token);
    const job = podsOf(manifests).find(({ of }) => of === 'Job/alliance-reducer-bootstrap')!;
    return new Bootstrap(api, job.spec, script, work);
  }

  /** @returns what was printed. @throws Error with standard error, when a step fails */
  async run(): Promise<string> {
    const [restore, keys] = this.#job.initContainers;
    const [publish] = this.#job.containers;
    const out = join(this.#work, 'keys');
    const script = (container: Manifest) => {
      const { value: plan } = container.env.find(({ name }: Manifest) => name === 'BOOTSTRAP_PLAN');
      return this.#node([this.#script, container.command[2]], {
        BOOTSTRAP_PLAN: plan,
        BOOTSTRAP_OUT: out,
        SERVICE_ACCOUNT_DIR: join(this.#work, 'account'),
        KUBERNETES_URL: this.api.url,
      });
    };
    const cli = join(repository, 'services/cli/bin/consilium.js');
    const words = keys.args.map((word: string) => (word === '/handover/keys' ? out : word));
    return [await script(restore), await this.#node([cli, ...words]), await script(publish)].join('');
  }

  async #node(args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const child = spawn(process.execPath, args, { env: { ...process.env, ...env } });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (data) => (texts[name] += data));
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(texts.stderr);
    return texts.stdout;
  }
}

describe('the bootstrap job', { skip: noHelm }, () => {
  let folder: string;
  let api: SecretsApi;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'consilium-chart-'));
    api = await SecretsApi.start('federation');
  });
  after(async () => {
    await api.stop();
    await rm(folder, { recursive: true });
  });
  const secret = (name: string) => api.secrets.get(`alliance-reducer-${name}`) ?? {};
  const run = async (values?: string[]) => (await Bootstrap.create(api, folder, values)).run();

  test('makes every Secret that the pods mount, and tells no token in its log', async () => {
    const printed = await run();
    assert.doesNotMatch(printed, /cat_|S[UAO][A-Z2-7]{56}/);
    assert.deepEqual(Object.keys(secret('reducer')).sort(), ['admin-token.sha256', 'reducer.nk']);
    const nats = Object.keys(secret('reducer-nats'));
    for (const file of ['account.pub', 'account-signing.nk', 'reducer-1.creds', 'reducer-9.creds']) {
      assert.ok(nats.includes(file), file);
    }
    assert.ok(Object.keys(secret('combiner-nats')).includes('combiner-16.creds'));
    assert.deepEqual(Object.keys(secret('store')).sort(), ['access-key', 'secret-key']);
    assert.deepEqual(Object.keys(secret('nats-server')).sort(), ['cluster.conf', 'trust.conf']);
  });

  test("what NATS is given holds no key, and the first admin's token is the one whose hash the reducer has", () => {
    const text = (name: string, key: string) => Buffer.from(secret(name)[key]!, 'base64').toString();
    assert.doesNotMatch(text('nats-server', 'trust.conf'), /\bS[UAO][A-Z2-7]{56}\b/);
    const hash = createHash('sha256').update(text('admin-token', 'token')).digest('hex');
    assert.equal(text('reducer', 'admin-token.sha256').trim(), hash);
  });

  test('a second run changes nothing', async () => {
    const kept = structuredClone([...api.secrets]);
    const { writes } = api;
    await run();
    assert.deepEqual([...api.secrets], kept);
    assert.equal(api.writes, writes);
  });

  test('more combiners get credentials, the others keep theirs', async () => {
    const kept = secret('combiner-nats');
    await run(['--set', 'combiner.autoscaling.maxReplicas=18']);
    assert.equal(Object.keys(secret('combiner-nats')).length, 18);
    for (const [key, value] of Object.entries(kept)) assert.equal(secret('combiner-nats')[key], value);
  });

  test('a Secret that was lost is made anew from the keys', async () => {
    const kept = secret('reducer-nats');
    api.secrets.delete('alliance-reducer-reducer-nats');
    await run();
    assert.deepEqual(secret('reducer-nats'), kept);
  });

  test('the token that its reader deleted is not made again', async () => {
    api.secrets.delete('alliance-reducer-admin-token');
    await run();
    assert.equal(api.secrets.has('alliance-reducer-admin-token'), false);
  });

  test('lost keys are not replaced by new ones that fit nothing', async () => {
    const name = 'alliance-reducer-trust';
    const kept = api.secrets.get(name)!;
    const all = structuredClone([...api.secrets].filter(([other]) => other !== name));
    api.secrets.delete(name);
    await assert.rejects(run(), /alliance-reducer-trust is gone.*[Rr]estore/s);
    assert.deepEqual([...api.secrets].sort(), all.sort());
    api.secrets.set(name, kept);
  });

  test('a key that somebody changed by hand is told, not overwritten', async () => {
    const kept = secret('store');
    const changed = { ...kept, 'secret-key': Buffer.from('by-hand').toString('base64') };
    api.secrets.set('alliance-reducer-store', changed);
    await assert.rejects(run(), /alliance-reducer-store.*secret-key/s);
    assert.deepEqual(secret('store'), changed);
    api.secrets.set('alliance-reducer-store', kept);
  });

  test('an API that refuses is named with its reason', async () => {
    api.refuse = true;
    await assert.rejects(run(), /403.*not allowed here/s);
    api.refuse = false;
  });

  const binary = natsBinaries.find(({ label }) => label === 'new')!;
  test("three servers with the chart's configuration form one cluster that keeps three copies", {
    skip: binary.skip,
  }, async () => {
    const servers: ChildProcess[] = [];
    try {
      const clients = await startCluster(binary.path!, servers);
      const creds = Buffer.from(secret('reducer-nats')['reducer-1.creds']!, 'base64').toString();
      const bus = await connectBus({
        servers: clients.map((port) => `nats://127.0.0.1:${port}`),
        creds,
        inboxPrefix: serviceInbox('reducer-1'),
        name: 'reducer-1',
        log,
      });
      try {
        await bus.ready();
        const kv = await untilThere(() => openKv<number>(bus, { name: 'copies', replicas: 3 }));
        await kv.put('a', 1);
        servers[0]!.kill('SIGKILL');
        assert.equal(await untilThere(async () => (await kv.get('a'))?.value), 1);
      } finally {
        await bus.close();
      }
    } finally {
      for (const server of servers) server.kill('SIGKILL');
    }
  });

  /** Three nats-servers on loopback with the rendered configuration. @returns their client ports */
  async function startCluster(program: string, servers: ChildProcess[]): Promise<number[]> {
    const { data } = find(render(), 'ConfigMap', 'alliance-reducer-nats');
    const ports = await Promise.all(Array.from({ length: 12 }, () => freePort()));
    const at = (server: number, kind: number) => ports[server * 4 + kind]!;
    for (const server of [0, 1, 2]) {
      const root = join(folder, `nats-${server}`);
      for (const name of ['config', 'trust', 'data']) await mkdir(join(root, name), { recursive: true });
      // The addresses of this machine in place of those of the pods; everything else as it is.
      const local = (text: string) =>
        [4222, 6222, 8222, 9222]
          .reduce((all, port, kind) => all.replace(`0.0.0.0:${port}`, `127.0.0.1:${at(server, kind)}`), text)
          .replaceAll('/data/', `${root}/data/`)
          .replace('/tmp/nats.pid', `${root}/nats.pid`)
          .replaceAll(
            /@alliance-reducer-nats-(\d)\.[^"]+:6222/g,
            (_, peer) => `@127.0.0.1:${at(Number(peer), 1)}`,
          );
      const config = join(root, 'config/nats.conf');
      await writeFile(config, local(data['nats.conf']));
      for (const [key, value] of Object.entries(secret('nats-server'))) {
        await writeFile(join(root, 'trust', key), local(Buffer.from(value, 'base64').toString()));
      }
      const env = { ...process.env, POD_NAME: `alliance-reducer-nats-${server}` };
      execFileSync(program, ['--config', config, '-t'], { env, stdio: 'pipe' });
      servers.push(spawn(program, ['--config', config], { env, stdio: 'ignore' }));
    }
    // The readiness probe of the chart.
    for (const server of [0, 1, 2]) {
      await untilThere(async () => {
        const answer = await fetch(`http://127.0.0.1:${at(server, 2)}/healthz?js-server-only=true`);
        return answer.ok ? true : undefined;
      });
    }
    return [0, 1, 2].map((server) => at(server, 0));
  }
});

async function untilThere<T>(ask: () => Promise<T | undefined>): Promise<T> {
  let last: unknown;
  for (let attempt = 0; attempt < 120; attempt += 1) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    await sleep(250);
  }
  throw new Error('it did not come in 30 s', { cause: last });
}
