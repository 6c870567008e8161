import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { buildImages, command, type Ended, findEngine, hardened, repository } from '../support/containers.js';

const engine = findEngine();
const token = `cjt_${'A'.repeat(43)}`;
const minimal = `url: http://127.0.0.1:9\nname: site-1\ntoken: ${token}\ndata: { path: ./data, name: d }\n`;

describe('docker run of the client image', {
  skip: typeof engine === 'string' ? engine : false,
}, () => {
  let dir: string;
  let image: string;
  let docker: string;
  let containers = 0;

  before(async () => {
    assert.ok(typeof engine !== 'string');
    docker = engine.docker;
    image = buildImages(engine).client;
    dir = await mkdtemp(join(tmpdir(), 'consilium-client-image-'));
    await chmod(dir, 0o755);
    await mkdir(join(dir, 'data'));
    await writeFile(join(dir, 'data', 'train.csv'), '1,2\n');
  });
  after(() => rm(dir, { recursive: true, force: true }));

  interface Mounts {
    /** Text of client.yaml; false for no file. */
    readonly yaml?: string | false;
    readonly data?: boolean;
    readonly volume?: boolean;
    readonly flags?: readonly string[];
  }

  /** Flags and mounts of one container; its volume goes with it. */
  async function flagsOf(name: string, { yaml = minimal, data = true, volume = true, flags = [] }: Mounts) {
    const file = join(dir, `${name}.yaml`);
    if (yaml !== false) await writeFile(file, yaml, { mode: 0o644 });
    return [
      ...hardened,
      ...(yaml === false ? [] : ['--volume', `${file}:/app/client.yaml:ro`]),
      ...(data ? ['--volume', `${join(dir, 'data')}:/app/data:ro`] : []),
      // A tmpfs would do for most, but the volume is what takes over the owner of the image's folder.
      ...(volume ? ['--volume', '/var/lib/consilium'] : []),
      ...flags,
    ];
  }

  /** Runs a container that ends by itself. */
  async function run(mounts: Mounts, ...words: string[]): Promise<Ended & { readonly text: string }> {
    const name = `consilium-client-test-${process.pid}-${++containers}`;
    const flags = await flagsOf(name, mounts);
    const ended = await command([docker, 'run', '--rm', '--name', name, ...flags, image, ...words]);
    return { ...ended, text: ended.stdout + ended.stderr };
  }

  /** Runs a container until `done` says so, stops it in order and gives its exit code and log. */
  async function runUntil(mounts: Mounts, words: readonly string[], done: (log: string) => boolean) {
    const name = `consilium-client-test-${process.pid}-${++containers}`;
    await command([
      docker,
      'run',
      '--detach',
      '--name',
      name,
      ...(await flagsOf(name, mounts)),
      image,
      ...words,
    ]);
    const log = async () => {
      const { stdout, stderr } = await command([docker, 'logs', name]);
      return stdout + stderr;
    };
    try {
      for (let waited = 0; waited < 60 && !done(await log()); waited++) await sleep(500);
      const health = await command([docker, 'exec', name, 'node', '/opt/consilium/deploy/images/health.mjs']);
      await command([docker, 'stop', '--time', '25', name]);
      const { stdout } = await command([docker, 'inspect', '--format', '{{.State.ExitCode}}', name]);
      return { code: Number(stdout), text: await log(), health: { ...health, text: health.stdout } };
    } finally {
      await command([docker, 'rm', '--force', '--volumes', name]);
    }
  }

  const retrying = (log: string) => log.includes('trying again');

  test('a missing client.yaml is one error, exit code 5', async () => {
    const { code, text } = await run({ yaml: false });
    assert.equal(code, 5, text);
    assert.match(text, /CLIENT_CONFIG_MISSING.*\n.*no such file.*\n.*\/app\/client\.yaml/i);
  });

  test('a client.yaml that does not exist on the host, of which Docker made a folder, is told as such', async () => {
    const flags = ['--volume', `${join(dir, 'nowhere.yaml')}:/app/client.yaml:ro`];
    const { code, text } = await run({ yaml: false, flags });
    assert.equal(code, 5, text);
    assert.match(text, /Docker makes one when the file to be mounted does not exist/);
  });

  test('a bad token is one error that names file and line, exit code 3', async () => {
    const { code, text } = await run({ yaml: minimal.replace(token, 'cjt_short') });
    assert.equal(code, 3, text);
    assert.match(text, /CLIENT_BAD_TOKEN/);
    assert.match(text, /client\.yaml:3/);
  });

  test('a missing data folder is one error, exit code 5', async () => {
    const { code, text } = await run({ data: false });
    assert.equal(code, 5, text);
    assert.match(text, /CLIENT_DATA_MISSING.*\n.*\/app\/data/);
  });

  test('without a volume the client says at once that its key would be lost; a read-only root refuses', async () => {
    const { code, text } = await run({ volume: false });
    assert.match(text, /no volume is mounted on \/var\/lib\/consilium/);
    assert.match(text, /CLIENT_STATE_UNWRITABLE/);
    assert.equal(code, 3, text);
  });

  test('with a volume nothing is said of volumes', async () => {
    const { text } = await runUntil({}, [], retrying);
    assert.doesNotMatch(text, /no volume is mounted/);
  });

  test('a reducer that cannot be reached is retried, its reason stands in the health route, SIGTERM ends with 0', async () => {
    const { code, text, health } = await runUntil({}, [], retrying);
    assert.equal(code, 0, text);
    assert.match(text, /"msg":"stopped"/);
    assert.equal(health.code, 1);
    assert.match(health.text, /503 .*"state":"joining".*"code":"CLIENT_UNREACHABLE"/);
  });

  test("FEDn's words and file work: data from /app/data, name from --name, ignored keys named", async () => {
    const yaml = await readFile(join(repository, 'deploy/clients/fedn.yaml'), 'utf8');
    for (const words of [
      ['client', '-in', 'client.yaml', '--name', 'clinic-7'],
      ['fedn', 'client', 'start', '-in', 'client.yaml', '--name', 'clinic-7'],
      ['run', 'client', '-in', 'client.yaml', '--name', 'clinic-7'],
    ]) {
      const { text } = await runUntil({ yaml }, words, retrying);
      assert.match(text, /"client":"clinic-7".*"url":"https:\/\/consilium\.example\.org"/, words.join(' '));
      assert.match(text, /FEDn key network_id is ignored/);
    }
  });

  test('a variable wins over the file', async () => {
    const { text } = await runUntil({ flags: ['--env', 'CONSILIUM_NAME=from-env'] }, [], retrying);
    assert.match(text, /"client":"from-env"/);
    assert.doesNotMatch(text, /did you mean/);
  });

  test('any user may run it', async () => {
    const { code, text } = await runUntil({ flags: ['--user', '4711:4711'] }, [], retrying);
    assert.equal(code, 0, text);
    assert.match(text, /trying again/);
  });

  test('doctor sees the machine and trains', async () => {
    const { code, text } = await run({ yaml: false }, 'doctor');
    assert.equal(code, 0, text);
    assert.match(text, /training +backend (wasm|tfjs-node)/);
  });

  test('accelerator: required without a card ends with one error', async () => {
    const { code, text } = await run({ yaml: `${minimal}accelerator: required\n` });
    assert.notEqual(code, 0);
    assert.match(text, /CLIENT_ACCELERATOR_MISSING/);
  });

  test('the image has no npm and no compiler, and runs as a numbered user', async () => {
    const tools =
      'for tool in npm npx corepack yarn gcc g++ cc make; do command -v $tool && exit 9; done; id -u';
    const { code, text } = await run({ yaml: false, flags: ['--entrypoint', 'sh'] }, '-c', tools);
    assert.deepEqual([code, text.trim()], [0, '10001']);
    const format = '{{index .Config.Labels "org.opencontainers.image.licenses"}} {{.Config.User}}';
    const { stdout } = await command([docker, 'image', 'inspect', '--format', format, image]);
    assert.equal(stdout.trim(), 'Apache-2.0 10001:10001');
  });

  test('a baked-in package with Python trains without anything from outside', async () => {
    assert.ok(typeof engine !== 'string');
    const more = ['--build-arg', 'PACKAGE=compute-packages/breast-fna', '--build-arg', 'PYTHON=yes'];
    const baked = buildImages(engine, { client: 'consilium-client:test-baked', more }).client;
    const module = pathToFileURL(join(repository, 'compute-packages/breast-fna/dist/prepare.js')).href;
    const { prepare } = (await import(module)) as { prepare(out: string, seed: number): unknown };
    prepare(join(dir, 'sites'), 0);
    const train = ['package', 'run', 'train', '/opt/consilium/package', '--data', '/app/data'];
    const flags = [...hardened, '--network', 'none', '--volume', `${join(dir, 'sites/site-1')}:/app/data:ro`];
    const { code, stdout, stderr } = await command([docker, 'run', '--rm', ...flags, baked, ...train]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /136 examples/);
    const python = await command([
      docker,
      'run',
      '--rm',
      ...hardened,
      '--entrypoint',
      'python3',
      baked,
      '--version',
    ]);
    assert.match(python.stdout, /^Python 3/);
  });

  test('every example of client.yaml is accepted', async () => {
    for (const name of ['hospital', 'proxy', 'gpu', 'local']) {
      const text = await readFile(join(repository, 'deploy/clients', `${name}.yaml`), 'utf8');
      const flags = [
        '--env',
        'CONSILIUM_ACCELERATOR=auto',
        '--volume',
        `${join(dir, 'ca.pem')}:/app/hospital-ca.pem:ro`,
      ];
      await writeFile(join(dir, 'ca.pem'), await authority());
      const { text: log, code } = await runUntil({ yaml: text, flags }, [], retrying);
      assert.match(log, /trying again/, `${name}: ${log}`);
      assert.equal(code, 0, `${name}: ${log}`);
    }
  });

  /** Any certificate will do: nothing is reached with it here. */
  async function authority(): Promise<string> {
    const key = join(dir, 'ca.key');
    const { stdout } = await command([
      ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', key, '-subj', '/CN=hospital', '-days', '2'],
    ]);
    return stdout;
  }
});
