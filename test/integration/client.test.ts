import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { verifyAudit } from '@consilium/client';
import { createIdentity } from '@consilium/platform';
import type { Order, PackageRef, ReportObject, TaskTemplate } from '@consilium/protocol';
import { collect, writeNpz } from '@consilium/tensor';
import { makeCertificates, skipCertificates } from '../support/certificates.js';
import { ClientProcess, EnrolmentDesk, joinToken, publishPackage } from '../support/client-stage.js';
import { CombinerStage, eventually } from '../support/combiner-stage.js';
import { startConnectProxy } from '../support/connect-proxy.js';
import { freePort } from '../support/free-port.js';
import { natsBinaries } from '../support/nats-servers.js';

/**
 * A package that does what the files in the data folder say: `wait` (until it is gone), `fail`. It counts its
 * runs in its private state.
 */
const program = `
import { appendFileSync, copyFileSync, existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
const task = JSON.parse(readFileSync(process.env.CONSILIUM_TASK, 'utf8'));
const there = (name) => existsSync(join(task.dataDir, name));
appendFileSync(join(task.stateDir, 'runs'), task.entry + ' ' + task.round + '\\n');
writeSync(3, JSON.stringify({ event: 'backend', name: 'copy', device: 'paper' }) + '\\n');
writeSync(3, JSON.stringify({ event: 'progress', step: 1, steps: 2, metrics: { loss: 0.5 } }) + '\\n');
while (there('wait')) await sleep(20);
if (there('fail')) {
  console.log('reading 12 images');
  throw new Error('image 7 is damaged');
}
if (task.entry === 'train') {
  copyFileSync(task.inputs.weights, task.outputs.weights);
  writeFileSync(task.outputs.metadata, JSON.stringify({ num_examples: 12 }));
}
const metrics = { loss: 0.25, ...(task.entry === 'validate' ? { num_examples: 5 } : {}) };
writeFileSync(task.outputs.metrics, JSON.stringify(metrics));
`;

/** The same as a module that can stay in memory; says which process it is. */
const warmProgram = `
import { appendFileSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
const me = Math.random();
export async function run(task) {
  appendFileSync(join(task.stateDir, 'runs'), me + '\\n');
  copyFileSync(task.inputs.weights, task.outputs.weights);
  writeFileSync(task.outputs.metadata, JSON.stringify({ num_examples: 3 }));
}
`;

interface Site {
  readonly name: string;
  readonly config: string;
  readonly data: string;
  readonly state: string;
}

for (const binary of natsBinaries) {
  describe(`client on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let stage: CombinerStage;
    let desk: EnrolmentDesk;
    let pack: PackageRef;
    const publisher = createIdentity('user');
    const running: ClientProcess[] = [];
    before(async () => {
      stage = await CombinerStage.start(binary);
      desk = await EnrolmentDesk.open(stage);
      pack = await publishPackage(stage, 'copy', program, publisher);
    });
    after(async () => {
      await Promise.all(running.map((client) => client.end()));
      await desk?.close();
      await stage?.stop();
    });

    async function site(name: string, more = ''): Promise<Site> {
      const folder = join(stage.dir, name);
      const data = join(folder, 'data');
      await mkdir(data, { recursive: true });
      await writeFile(join(data, 'a.csv'), '1,2\n3,4\n');
      const config = join(folder, 'client.yaml');
      const base = `url: ${desk.url}\nname: ${name}\ntoken: ${joinToken}\ndata: { path: data, name: cohort-1 }\n`;
      const policy = `policy: { allowed_signers: [${publisher.publicKey}] }\n`;
      await writeFile(config, more.includes('policy:') ? base + more : base + policy + more);
      return { name, config, data, state: join(folder, 'consilium-state') };
    }

    function start(where: Site, ...args: string[]): ClientProcess {
      const client = new ClientProcess(where.config, args);
      running.push(client);
      return client;
    }

    async function ask(
      session: string,
      where: Site,
      task: Partial<TaskTemplate> = {},
      order: Partial<Order> = {},
    ) {
      return await stage.order(session, [where.name], order, { package: pack, config: {}, ...task });
    }

    const runs = async (where: Site, session: string): Promise<string[]> => {
      const file = join(where.state, 'sessions', session, 'private', 'runs');
      return (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1);
    };
    const hasRun = (where: Site, session: string) =>
      eventually('the package runs', async () => (await runs(where, session)).length > 0);
    const resultOf = (report: ReportObject) => {
      const [result] = report.results;
      assert.ok(result, JSON.stringify(report.absences));
      return result;
    };
    const audited = async (where: Site): Promise<string[]> => {
      const lines = (await readFile(join(where.state, 'audit.jsonl'), 'utf8')).trim().split('\n');
      return lines.map((line) => (JSON.parse(line) as { event: string }).event);
    };

    test('enrols, trains, validates, and signs what it did', async () => {
      const a = await site('happy');
      const client = start(a);
      await client.ready;
      const trained = resultOf(await stage.closed(await ask('first', a)));
      const { claim } = trained.signed;
      assert.equal(claim.num_examples, 12);
      assert.deepEqual(claim.metrics, { loss: 0.25 });
      assert.equal(claim.data_set.name, 'cohort-1');
      assert.equal(claim.data_set.files, 1);
      assert.equal(claim.execution.backend, 'copy');
      assert.equal(claim.execution.device, 'paper');
      assert.match(claim.execution.isolation, /^(bubblewrap|process)$/);
      // The base was written by the same writer, so an update that is a copy has the same bytes.
      assert.equal(claim.update, stage.base.digest);

      const validated = resultOf(await stage.closed(await ask('first', a, { kind: 'validate' })));
      assert.equal(validated.signed.claim.num_examples, 5);
      assert.equal(validated.update, null);
      assert.deepEqual(await runs(a, 'first'), ['train 1', 'validate 1']);

      const events = await stage.eventsOf('first');
      assert.ok(events.some((event) => event.event === 'client.progress' && event.backend === 'copy'));
      assert.equal((await stat(join(a.state, 'keys', 'client.nk'))).mode & 0o777, 0o600);
      await eventually('nothing is left of the tasks', async () => {
        const left = await Promise.all(['tasks', 'work'].map((name) => readdir(join(a.state, name))));
        return left.flat().length === 0;
      });
      assert.deepEqual(await listeningPorts(client.child.pid!), []);

      assert.equal(await client.end('SIGTERM'), 0);
      assert.ok((await verifyAudit(join(a.state, 'audit.jsonl'))).lines > 10);
      const seen = await audited(a);
      for (const event of [
        'client.enrolled',
        'package.allowed',
        'task.started',
        'update.uploaded',
        'client.stopped',
      ]) {
        assert.ok(seen.includes(event), event);
      }
    });

    test('a package that fails is reported with its log tail, and the client stays', async () => {
      const a = await site('failing');
      const client = start(a);
      await client.ready;
      await writeFile(join(a.data, 'fail'), '');
      const report = await stage.closed(await ask('broken', a));
      assert.equal(report.absences[0]?.code, 'PKG_TASK_FAILED');
      const failed = (await stage.eventsOf('broken')).find((event) => event.event === 'client.failed');
      assert.ok(failed?.event === 'client.failed');
      assert.match(failed.log_tail, /reading 12 images[\s\S]*image 7 is damaged/);

      await rm(join(a.data, 'fail'));
      resultOf(await stage.closed(await ask('broken', a, { round: 2 })));
      assert.equal(client.child.exitCode, null);
      await client.end('SIGTERM');
    });

    test('a signer that the site does not allow is refused by name, and nothing is run', async () => {
      const stranger = createIdentity('user');
      const a = await site('careful', `policy: { allowed_signers: [${stranger.publicKey}] }\n`);
      const client = start(a);
      await client.ready;
      const [absence] = (await stage.closed(await ask('foreign', a))).absences;
      assert.equal(absence?.code, 'CLIENT_PACKAGE_NOT_ALLOWED');
      assert.ok(absence.detail.includes(publisher.publicKey));
      assert.deepEqual(await runs(a, 'foreign'), []);
      assert.ok((await audited(a)).includes('package.refused'));
      assert.equal(client.child.exitCode, null);
      await client.end('SIGTERM');
    });

    test('a task that does not hold any more is stopped', async () => {
      const a = await site('cancelled');
      const client = start(a);
      await client.ready;
      await writeFile(join(a.data, 'wait'), '');
      const order = await ask('closing', a);
      await hasRun(a, 'closing');
      await stage.putOrder({ ...order, close: true });
      await eventually('the work is gone', async () => {
        const left = await Promise.all(['tasks', 'work'].map((name) => readdir(join(a.state, name))));
        return left.flat().length === 0;
      });
      assert.ok((await audited(a)).includes('task.aborted'));
      await rm(join(a.data, 'wait'));
      resultOf(await stage.closed(await ask('closing', a, { round: 2 })));
      await client.end('SIGTERM');
    });

    test('keeps the process of a package for its session, where the package allows it', async () => {
      const warm = await publishPackage(stage, 'warm', warmProgram, publisher);
      const a = await site('warm');
      const client = start(a);
      await client.ready;
      for (const round of [1, 2]) resultOf(await stage.closed(await ask('one', a, { round, package: warm })));
      resultOf(await stage.closed(await ask('two', a, { package: warm })));
      const [first, second] = await runs(a, 'one');
      assert.equal(first, second);
      assert.notDeepEqual(await runs(a, 'two'), [first]);
      assert.equal(await client.end('SIGTERM'), 0);
    });

    test('an update too large for one request goes up in parts', async () => {
      const data = new Float32Array(5_000_000).map((_, i) => i);
      const tensors = [{ name: 'w', dtype: 'float32' as const, shape: [data.length], data }];
      const bytes = await collect(writeNpz(tensors));
      const weights = await stage.putObject('consilium-models', 'trail/large/weights.npz', bytes);
      const a = await site('large');
      const client = start(a);
      await client.ready;
      const { update } = resultOf(await stage.closed(await ask('heavy', a, { inputs: { weights } })));
      assert.equal(update?.digest, weights.digest);
      await client.end('SIGTERM');
    });

    test('killed while it trains, it rejoins and does the task again', async () => {
      const a = await site('killed');
      const first = start(a);
      await first.ready;
      await writeFile(join(a.data, 'wait'), '');
      const order = await ask('hard', a);
      await hasRun(a, 'hard');
      await first.end('SIGKILL');
      await rm(join(a.data, 'wait'));
      const second = start(a);
      await second.ready;
      resultOf(await stage.closed(order));
      assert.deepEqual(await runs(a, 'hard'), ['train 1', 'train 1']);
      await second.end('SIGTERM');
    });

    test('killed after the training, it sends the result and does not train again', async () => {
      const a = await site('resent');
      const first = start(a);
      await first.ready;
      await writeFile(join(a.data, 'wait'), '');
      const order = await ask('kept', a);
      await hasRun(a, 'kept');
      await stage.killCombiner();
      await rm(join(a.data, 'wait'));
      const folder = join(a.state, 'tasks', `kept.1.0.train.${a.name}`);
      await eventually('the result is in the journal', async () => existsSync(join(folder, 'result.json')));
      await first.end('SIGKILL');
      await stage.startCombiner();
      const second = start(a);
      await second.ready;
      resultOf(await stage.closed(order));
      assert.deepEqual(await runs(a, 'kept'), ['train 1']);
      await second.end('SIGTERM');
    });

    test('stopped while it trains, it says so before it goes', async () => {
      const a = await site('stopped');
      const client = start(a);
      await client.ready;
      await writeFile(join(a.data, 'wait'), '');
      const order = await ask('evening', a);
      await hasRun(a, 'evening');
      assert.equal(await client.end('SIGTERM'), 0);
      assert.equal((await stage.closed(order)).absences[0]?.code, 'TASK_INTERRUPTED');
    });

    test('nats-server and the object store go away while it trains, and the update still counts', async () => {
      const a = await site('patient');
      const client = start(a);
      await client.ready;
      await writeFile(join(a.data, 'wait'), '');
      const order = await ask('stormy', a);
      await hasRun(a, 'stormy');
      const store = await stage.loseStore();
      await stage.nats.kill();
      await rm(join(a.data, 'wait'));
      const folder = join(a.state, 'tasks', `stormy.1.0.train.${a.name}`);
      await eventually('the result is in the journal', async () => existsSync(join(folder, 'result.json')));
      await stage.nats.restart();
      await store.resume();
      resultOf(await stage.closed(order));
      assert.deepEqual(await runs(a, 'stormy'), ['train 1']);
      await client.end('SIGTERM');
    });

    test('two clients cannot share a state folder', async () => {
      const a = await site('single');
      const first = start(a);
      await first.ready;
      const second = start(a);
      assert.equal(await second.exited, 6);
      assert.match(second.log, /CLIENT_STATE_IN_USE/);
      assert.equal(first.child.exitCode, null);
      await first.end('SIGTERM');
    });

    test('waits for a reducer that is not there yet, and says so', async () => {
      const port = await freePort();
      const a = await site('early');
      await writeFile(
        a.config,
        (await readFile(a.config, 'utf8')).replace(desk.url, `http://127.0.0.1:${port}`),
      );
      const client = start(a);
      await eventually('it says what it waits for', async () =>
        /CLIENT_UNREACHABLE.*ECONNREFUSED/.test(client.log),
      );
      const late = await EnrolmentDesk.open(stage, { port });
      await client.ready;
      await client.end('SIGTERM');
      await late.close();
    });

    test('works through a CONNECT proxy, with a private authority, under one address', {
      skip: skipCertificates,
    }, async () => {
      const tls = makeCertificates('consilium.alliance.test');
      const gateway = await EnrolmentDesk.open(stage, { tls });
      const proxy = await startConnectProxy({ 'consilium.alliance.test': '127.0.0.1' });
      try {
        // A name that only the proxy can resolve: what goes past it, fails.
        gateway.nats = [`wss://consilium.alliance.test:${gateway.port}/nats`];
        const a = await site('walled', `proxy: ${proxy.url}\nca_file: ${tls.caFile}\n`);
        const address = `https://consilium.alliance.test:${gateway.port}`;
        await writeFile(a.config, (await readFile(a.config, 'utf8')).replace(desk.url, address));
        const client = start(a);
        await client.ready;
        resultOf(await stage.closed(await ask('far', a)));
        const store = new URL((stage.storeConfig as { url: string }).url).host;
        assert.ok(proxy.tunnels.includes(new URL(address).host));
        assert.ok(proxy.tunnels.includes(store), 'objects go through the proxy as well');
        proxy.cut();
        resultOf(await stage.closed(await ask('far', a, { round: 2 })));
        await client.end('SIGTERM');

        await writeFile(a.config, (await readFile(a.config, 'utf8')).replace(/ca_file.*\n/, ''));
        const distrustful = start(a);
        await eventually('the certificate is refused', async () =>
          /CLIENT_UNREACHABLE.*(certificate|CERT)/i.test(distrustful.log),
        );
        await distrustful.end('SIGTERM');
      } finally {
        await gateway.close();
        await proxy.close();
        await rm(tls.dir, { recursive: true, force: true });
      }
    });
  });
}

/** TCP ports on which a process listens (Linux; empty elsewhere). */
async function listeningPorts(pid: number): Promise<string[]> {
  const { readlink } = await import('node:fs/promises');
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => '')));
  const inodes = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')),
  );
  const rows = tables.flatMap((table) => table.split('\n').slice(1)).map((row) => row.trim().split(/\s+/));
  return rows.filter((row) => row[3] === '0A' && inodes.has(row[9] ?? '')).map((row) => row[1] ?? '');
}
