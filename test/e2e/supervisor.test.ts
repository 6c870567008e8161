import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ClientProcess } from '../support/client-stage.js';
import { consiliumFile, Federation, guardFile } from '../support/federation.js';
import { assertWhole, contributors, gatePackage, gateSites, isAtWork } from '../support/gate.js';
import { natsBinaries } from '../support/nats-servers.js';
import { noneLeft, processesOf, type SeenProcess, skipProcesses } from '../support/processes.js';
import type { Site } from '../support/site.js';

const everyone = ['site-1', 'site-2', 'site-3', 'site-4'];

/** What belongs to the platform and not to the hospitals. */
const isService = ({ name }: SeenProcess) =>
  /^(up|demo|nats-server|nats-wrapper|store-server|reducer-\d+|combiner-\d+)$/.test(name);

for (const binary of natsBinaries) {
  describe(`kill -9 of consilium up, on nats-server ${binary.version}`, {
    skip: skipProcesses || binary.skip,
  }, () => {
    let federation: Federation;
    let sites: Site[];
    before(async () => {
      federation = await Federation.start({ combiners: 2, natsServer: binary.path! });
      await federation.publish(gatePackage);
      sites = await gateSites(federation, 4);
      for (const site of sites) await site.start();
    });
    after(() => federation?.close());

    const release = (kind: 'train' | 'validate') => Promise.all(sites.map((site) => site.release(kind)));

    test('leaves nothing behind, and the next one goes on in the middle of the round', async () => {
      for (const site of sites.slice(2)) {
        await site.hold('train', 2);
        await site.hold('validate', 3);
      }
      const settings = ['rounds=4', 'clients_required=4', 'quorum=3', 'round_deadline=120'];
      await federation.startSession('unsupervised', 'gate', settings);

      await federation.event('unsupervised', 'site-4 trains', isAtWork('site-4', 'train', 2));
      const before = processesOf(federation.dir).filter(isService);
      assert.deepEqual(before.map(({ name }) => name).sort(), [
        ...['combiner-1', 'combiner-2', 'nats-server', 'nats-wrapper', 'reducer-1', 'store-server', 'up'],
      ]);
      await federation.kill('up');
      await noneLeft(federation.dir, isService);
      await release('train');
      await federation.up();

      await federation.event('unsupervised', 'site-4 validates', isAtWork('site-4', 'validate', 3));
      // At once this time: the next one waits for what is left of the one before.
      await federation.kill('up');
      await federation.up();
      await release('validate');

      const result = await assertWhole(federation, 'unsupervised', 4);
      assert.deepEqual(contributors(result), [everyone, everyone, everyone, everyone]);
      await federation.until('every program runs once', async () => {
        const now = processesOf(federation.dir).filter(isService);
        return now.length === before.length;
      });
      // The clients are the ones of the beginning: they came back by themselves.
      for (const site of sites) assert.equal(site.client?.child.exitCode, null);
    });
  });
}

describe('kill -9 of consilium demo', { skip: skipProcesses || natsBinaries[1]!.skip }, () => {
  let dir: string;
  let federation: Federation | undefined;
  let demo: ChildProcess | undefined;
  const clients: ClientProcess[] = [];
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'consilium-e2e-'));
  });
  after(async () => {
    for (const client of clients) await client.end('SIGTERM');
    await federation?.close();
    demo?.kill('SIGKILL');
    await rm(dir, { recursive: true, force: true });
  });

  test('ends all its programs, and consilium up with the same hospitals brings its session to the end', async () => {
    const rounds = 5;
    const args = ['demo', '--json', '--dir', dir, '--rounds', `${rounds}`];
    args.push('--nats-server', natsBinaries[1]!.path!);
    demo = spawn(process.execPath, [guardFile, process.execPath, consiliumFile, ...args], {
      env: { ...process.env, CONSILIUM_E2E: dir },
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const trail = join(dir, 'store', 'consilium-models', 'trail', 'demo');
    await eventually('two models are there', async () => {
      return (await readdir(trail).catch(() => [])).some((name) => name.startsWith('000002-'));
    });
    const pid = processesOf(dir).find(({ name }) => name === 'demo')?.pid;
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    await noneLeft(dir);

    federation = await Federation.start({ dir, natsServer: natsBinaries[1]!.path! });
    for (const name of everyone) clients.push(new ClientProcess(join(dir, 'sites', name, 'client.yaml')));
    const ended = federation;
    await eventually('the last model is committed', async () => {
      const { heads } = await ended.verify('demo');
      return heads?.content.latest.number === rounds;
    });
    const { findings, models, recomputed } = await federation.verify('demo');
    assert.deepEqual(findings, []);
    assert.deepEqual([models.length, recomputed], [rounds + 1, rounds]);
    for (const { manifest } of models.slice(1)) {
      const names = manifest.content.contributions.map(({ client }) => client);
      assert.equal(new Set(names).size, names.length);
    }
  });

  async function eventually(what: string, ask: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + 120_000;
    while (!(await ask())) {
      if (Date.now() > end) throw new Error(`It did not come about that ${what}.`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
});
