import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  bootstrapNats,
  clearPorts,
  connectBus,
  createLogger,
  findNatsServer,
  type NatsBootstrap,
  natsServerArgs,
  openKv,
  readAddresses,
  spawnNatsServer,
} from '@consilium/platform';
import { anyNats, natsBinaries } from '../support/nats-servers.js';

const log = createLogger({ service: 'test', level: 'silent', pretty: false });
const supervisor = join(dirname(fileURLToPath(import.meta.url)), '..', 'support', 'supervisor.js');

/** Process ids of nats-servers that run with this configuration. */
async function serversOf(bootstrap: NatsBootstrap): Promise<number[]> {
  const names = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return names
    .filter((line) => line.includes(bootstrap.configFile) && !line.includes('node'))
    .map((line) => Number.parseInt(line, 10));
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await sleep(20);
}

describe('nats-server under its wrapper', { skip: anyNats.skip }, () => {
  let dir: string;
  let bootstrap: NatsBootstrap;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'consilium-wrapper-'));
    bootstrap = await bootstrapNats({ dir, now: Date.now(), services: ['combiner-1'] });
  });
  after(() => rm(dir, { recursive: true, force: true }));

  async function listening(): Promise<string> {
    return (await readAddresses(bootstrap.portsDir)).client;
  }

  test('kill -9 of the supervisor leaves no nats-server behind', async () => {
    await clearPorts(bootstrap.portsDir);
    const parent = spawn(process.execPath, [supervisor, anyNats.path!, ...natsServerArgs(bootstrap)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await listening();
    assert.equal((await serversOf(bootstrap)).length, 1);
    parent.kill('SIGKILL');
    await until(async () => (await serversOf(bootstrap)).length === 0);
  });

  test('closing its standard input ends nats-server in order, with its exit code', async () => {
    await clearPorts(bootstrap.portsDir);
    const child: ChildProcess = spawnNatsServer(anyNats.path!, natsServerArgs(bootstrap));
    child.stderr?.resume();
    await listening();
    child.stdin?.end();
    const [code] = await once(child, 'exit');
    assert.ok(code === 0 || code === 1, `exit code ${code}`);
    assert.deepEqual(await serversOf(bootstrap), []);
  });

  test('when nats-server dies the wrapper exits with the code of its end', async () => {
    await clearPorts(bootstrap.portsDir);
    const child = spawnNatsServer(anyNats.path!, natsServerArgs(bootstrap));
    child.stderr?.resume();
    await listening();
    const [pid = 0] = await serversOf(bootstrap);
    process.kill(pid, 'SIGKILL');
    const [code] = await once(child, 'exit');
    assert.equal(code, 128 + 9);
  });

  test('after kill -9 of the wrapper the next one ends the server left behind and takes over', async () => {
    await clearPorts(bootstrap.portsDir);
    const first = spawnNatsServer(anyNats.path!, natsServerArgs(bootstrap));
    first.stderr?.resume();
    await listening();
    const [orphan] = await serversOf(bootstrap);
    first.kill('SIGKILL');
    await once(first, 'exit');
    assert.deepEqual(await serversOf(bootstrap), [orphan]);
    await clearPorts(bootstrap.portsDir);
    const second = spawnNatsServer(anyNats.path!, natsServerArgs(bootstrap));
    second.stderr?.resume();
    await listening();
    const servers = await serversOf(bootstrap);
    assert.equal(servers.length, 1);
    assert.notEqual(servers[0], orphan);
    second.stdin?.end();
    await once(second, 'exit');
    assert.deepEqual(await serversOf(bootstrap), []);
  });

  test('a binary that does not exist ends the wrapper with 127', async () => {
    const child = spawnNatsServer(join(dir, 'no-such-server'), []);
    child.stderr?.resume();
    const [code] = await once(child, 'exit');
    assert.equal(code, 127);
  });

  test('the credentials file of a service lets it use JetStream', async () => {
    await clearPorts(bootstrap.portsDir);
    const child = spawnNatsServer(anyNats.path!, natsServerArgs(bootstrap));
    child.stderr?.resume();
    const creds = await readFile(bootstrap.services['combiner-1']!, 'utf8');
    const bus = await connectBus({
      servers: await listening(),
      creds,
      inboxPrefix: '_INBOX_S_combiner-1',
      name: 'combiner-1',
      log,
    });
    const kv = await openKv<number>(bus, { name: 'x' });
    await kv.put('k', 1);
    assert.equal((await kv.get('k'))?.value, 1);
    await bus.drain();
    child.stdin?.end();
    await once(child, 'exit');
  });
});

describe('the folder of the bootstrap', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'consilium-bootstrap-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  test('every key and JWT is 0600 in a folder of 0700, and a second call changes none of them', async () => {
    const first = await bootstrapNats({ dir, now: 1_800_000_000_000 });
    const keys = join(dir, 'keys');
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
    const read = async (): Promise<string> =>
      execFileSync('sha256sum', await files(keys), { encoding: 'utf8' });
    const before = await read();
    for (const file of await files(keys)) assert.equal((await stat(file)).mode & 0o777, 0o600, file);
    const second = await bootstrapNats({ dir, now: 1_900_000_000_000 });
    assert.equal(await read(), before);
    assert.equal(second.accountSigningKey.publicKey, first.accountSigningKey.publicKey);
  });

  test('a later call can add a service, a lost key is reported instead of replaced', async () => {
    const { services } = await bootstrapNats({ dir, now: 1_800_000_000_000, services: ['combiner-2'] });
    assert.equal((await stat(services['combiner-2']!)).mode & 0o777, 0o600);
    await rm(join(dir, 'keys', 'account.nk'));
    await assert.rejects(bootstrapNats({ dir, now: 1_800_000_000_000 }), {
      code: 'TRUST_BOOTSTRAP_DAMAGED',
      where: join(dir, 'keys', 'account.nk'),
    });
  });

  async function files(folder: string): Promise<string[]> {
    const found = execFileSync('find', [folder, '-type', 'f'], { encoding: 'utf8' });
    return found.trim().split('\n').sort();
  }
});

const debian = natsBinaries[0]!.skip === false && hasApt() ? false : 'needs apt-get with a package list';
test("Debian's package is fetched and unpacked without root when nothing else is there", {
  skip: debian,
}, async () => {
  const cacheDir = await mkdtemp(join(tmpdir(), 'consilium-cache-'));
  try {
    const found = await findNatsServer({ log, cacheDir, path: '', ways: ['debian'] });
    assert.equal(found.origin, 'debian');
    assert.equal(found.path, join(cacheDir, `nats-server-${found.version}`));
    const again = await findNatsServer({ log, cacheDir, path: '', ways: [] });
    assert.deepEqual(again, { ...found, origin: 'cache' });
  } finally {
    await rm(cacheDir, { recursive: true });
  }
});

function hasApt(): boolean {
  try {
    return execFileSync('apt-cache', ['policy', 'nats-server'], { encoding: 'utf8' }).includes(
      'Candidate: 2',
    );
  } catch {
    return false;
  }
}
