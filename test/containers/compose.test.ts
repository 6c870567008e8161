import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Alliance } from '../support/alliance.js';
import { buildImages, command, findEngine, hardened, output } from '../support/containers.js';

const engine = findEngine();
const sites = ['site-1', 'site-2', 'site-3'];
const rounds = 4;
const services = ['nats', 'minio', 'reducer', 'combiner-1', 'combiner-2', 'gateway'];

interface SessionView {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
}

describe('the alliance of compose.yaml with clients in containers', {
  skip: typeof engine === 'string' ? engine : false,
}, () => {
  let alliance: Alliance;
  let reducerKey: string;

  before(async () => {
    assert.ok(typeof engine !== 'string');
    alliance = await Alliance.start(engine, buildImages(engine), sites);
    reducerKey = await alliance.reducerKey();
  });
  after(() => alliance?.close());

  const inspect = (container: string, format: string) =>
    alliance.docker('inspect', '--format', format, container);

  /** Waits for the health check of a container, which runs every few seconds. */
  async function healthy(container: string): Promise<void> {
    let status = '';
    for (let waited = 0; waited < 60 && status !== 'healthy'; waited++) {
      status = await inspect(container, '{{.State.Health.Status}}');
      await new Promise((done) => setTimeout(done, 1000));
    }
    assert.equal(status, 'healthy', container);
  }

  async function train(name: string): Promise<SessionView> {
    const settings = [
      `rounds=${rounds}`,
      `clients_required=${sites.length}`,
      'quorum=3',
      'round_deadline=120',
    ];
    const set = settings.flatMap((setting) => ['--set', setting]);
    const words = ['session', 'start', '--package', 'breast-fna', '--name', name, ...set, '--follow'];
    const { code, stdout, stderr } = await alliance.cli(...words);
    assert.equal(code, 0, stdout + stderr);
    return await alliance.result<SessionView>('session', 'show', name);
  }

  test('every service is healthy, without root, capabilities or a writable root', async () => {
    for (const service of services) {
      const container = alliance.container(service);
      const format =
        '{{.State.Health.Status}} {{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{gt .HostConfig.Memory 0}}';
      assert.equal(await inspect(container, format), 'healthy 10001:10001 true [ALL] true', service);
    }
  });

  test('nothing is published beyond loopback, and only gateway and console at all', async () => {
    for (const service of services) {
      const ports = await inspect(
        alliance.container(service),
        '{{range $port, $all := .HostConfig.PortBindings}}{{range $all}}{{.HostIp}} {{end}}{{end}}',
      );
      const expected = ['gateway', 'minio'].includes(service) ? '127.0.0.1' : '';
      assert.equal(ports.trim(), expected, service);
    }
  });

  test('the operator logs in with the token of the bootstrap and publishes a package', async () => {
    const token = await alliance.adminToken();
    const login = await alliance.cli('login', alliance.url, '--token', token);
    assert.equal(login.code, 0, login.stderr);
    const published = await alliance.cli('package', 'publish', '/packages/breast-fna');
    assert.equal(published.code, 0, published.stdout + published.stderr);
  });

  test('a second bootstrap keeps every key and shows no token', async () => {
    const log = await alliance.compose('run', '--rm', 'bootstrap');
    assert.doesNotMatch(log, /admin token/);
    assert.match(log, new RegExp(`trail key {3}${reducerKey}`));
  });

  test('three clients join over networks on which there is only the gateway, and train on real data', async () => {
    await alliance.prepareSites();
    const [first, ...others] = sites;
    // As FEDn's users type it, and as everybody else does.
    await alliance.startClient(first!, ['client', '-in', 'client.yaml', '--name', first!]);
    for (const site of others) await alliance.startClient(site);
    for (const site of sites) await alliance.until(`${alliance.project}-${site}`, '"msg":"connected"');
    const session = await train('first');
    assert.equal(session.state, 'finished', session.reason ?? '');
    for (const site of sites) await healthy(`${alliance.project}-${site}`);
  });

  test('a token that another key has used ends the client with both ways out', async () => {
    const site = sites[0]!;
    const { code, stdout, stderr } = await command([
      ...[alliance.engine.docker, 'run', '--rm', ...hardened, '--network', `${alliance.project}_${site}`],
      ...['--volume', `${join(alliance.dir, 'work', `${site}.yaml`)}:/app/client.yaml:ro`],
      ...['--volume', `${join(alliance.dir, 'data', site)}:/app/data:ro`],
      // A new volume: the key is another one.
      ...['--volume', '/var/lib/consilium', alliance.images.client],
    ]);
    assert.equal(code, 4, stdout + stderr);
    assert.match(stderr, /TRUST_TOKEN_USED/);
    assert.match(stderr, /state folder that holds its first key, or ask the operator for a new join token/);
  });

  test('the trail verifies against MinIO itself, every model recomputed', async () => {
    const { user, password } = await alliance.storeCredentials();
    const store = `s3://${user}:${password}@consilium.test:${alliance.port}?tls=false`;
    const words = ['trail', 'verify', '--key', reducerKey, '--store', store];
    const verdict = await alliance.result<{ ok: boolean; recomputed: number; findings: unknown[] }>(...words);
    assert.deepEqual([verdict.ok, verdict.findings], [true, []]);
    assert.equal(verdict.recomputed, rounds);
  });

  test('an independent S3 tool lists and fetches the trail through the gateway', async (t) => {
    if ((await command(['s3cmd', '--version']).catch(() => ({ code: 1 }))).code !== 0) {
      t.skip('needs s3cmd');
      return;
    }
    const { user, password } = await alliance.storeCredentials();
    const config = join(alliance.dir, 's3cfg');
    const host = `127.0.0.1:${alliance.port}`;
    const lines = [
      '[default]',
      `access_key = ${user}`,
      `secret_key = ${password}`,
      `host_base = ${host}`,
      `host_bucket = ${host}`,
      'use_https = False',
    ];
    await writeFile(config, `${lines.join('\n')}\n`, { mode: 0o600 });
    const s3 = (...words: string[]) => output(['s3cmd', '--config', config, ...words]);
    const listed = await s3('ls', '--recursive', 's3://consilium-models/');
    // The seed model is a part of the trail too.
    assert.equal(listed.match(/\/weights\.npz$/gm)?.length, rounds + 1, listed);
    assert.match(listed, /s3:\/\/consilium-models\/heads\/first\.json/);
    const [manifest] = listed.match(/s3:\/\/\S+-\S+\/manifest\.json$/gm) ?? [];
    const fetched = JSON.parse(await s3('get', '--quiet', manifest!, '-')) as object;
    assert.ok('content' in fetched || 'id' in fetched, JSON.stringify(fetched).slice(0, 200));
  });

  test('a client stops in order on SIGTERM and comes back under its name without its token', async () => {
    const name = `${alliance.project}-${sites[0]}`;
    await alliance.docker('stop', '--time', '30', name);
    assert.equal(await inspect(name, '{{.State.ExitCode}}'), '0');
    assert.match(await alliance.logs(name), /"msg":"stopped"/);
    const before = (await alliance.logs(name)).split('"msg":"connected"').length;
    await alliance.docker('start', name);
    for (let waited = 0; waited < 60; waited++) {
      if ((await alliance.logs(name)).split('"msg":"connected"').length > before) break;
      await new Promise((done) => setTimeout(done, 1000));
    }
    assert.match(await alliance.logs(name), /known to the reducer/);
  });

  test('reducer, combiner, NATS and MinIO are killed, come back by themselves, and the next session finishes', async () => {
    for (const service of ['reducer', 'combiner-1', 'nats', 'minio']) {
      const container = alliance.container(service);
      const started = await inspect(container, '{{.State.StartedAt}}');
      // From inside, as a crash: Docker does not restart what it was told to kill.
      const pid = await inspect(container, '{{.State.Pid}}');
      process.kill(Number(pid), 'SIGKILL');
      for (let waited = 0; waited < 60; waited++) {
        const now = await inspect(container, '{{.State.StartedAt}} {{.State.Health.Status}}');
        if (!now.startsWith(started) && now.endsWith(' healthy')) break;
        await new Promise((done) => setTimeout(done, 1000));
      }
      assert.notEqual(await inspect(container, '{{.State.StartedAt}}'), started, service);
      assert.equal(await inspect(container, '{{.State.Health.Status}}'), 'healthy', service);
    }
    const session = await train('second');
    assert.equal(session.state, 'finished', session.reason ?? '');
  });
});
