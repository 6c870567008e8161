import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { signPackage } from '@consilium/package-runner';
import { type BusMessage, createIdentity } from '@consilium/platform';
import {
  type PackageRef,
  type ResultRequest,
  resultRequestSchema,
  subjects,
  type Task,
  taskId,
  type UpVerb,
  type UrlsRequest,
} from '@consilium/protocol';
import { ClientProcess, EnrolmentDesk, joinToken, publishPackage } from '../support/client-stage.js';
import { CombinerStage, eventually } from '../support/combiner-stage.js';
import { natsBinaries } from '../support/nats-servers.js';

const program = `
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
const task = JSON.parse(readFileSync(process.env.CONSILIUM_TASK, 'utf8'));
appendFileSync(join(task.stateDir, 'runs'), 'ran\\n');
copyFileSync(task.inputs.weights, task.outputs.weights);
writeFileSync(task.outputs.metadata, JSON.stringify({ num_examples: 12 }));
`;
const secret = 'the password of the internal server is 1234';

const binary = natsBinaries.find(({ skip }) => skip === false) ?? natsBinaries[0]!;
describe('a site whose combiner means harm', { skip: binary.skip }, () => {
  let stage: CombinerStage;
  let desk: EnrolmentDesk;
  let pack: PackageRef;
  let client: ClientProcess;
  let internal: Server;
  const publisher = createIdentity('user');
  const asked: string[] = [];
  const results: ResultRequest[] = [];
  let tasks: unknown[] = [];
  let urlOf: (name: string) => string = () => '';
  const where = { state: '', data: '' };

  before(async () => {
    stage = await CombinerStage.start(binary);
    await stage.killCombiner();
    desk = await EnrolmentDesk.open(stage);
    pack = await publishPackage(stage, 'copy', program, publisher);
    internal = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.writeHead(404, { 'content-type': 'text/plain' }).end(secret);
    });
    await new Promise<void>((resolve) => internal.listen(0, '127.0.0.1', resolve));
    const answer = (verb: UpVerb, handle: (message: BusMessage) => unknown) =>
      stage.bus.respond(subjects.up(stage.combiner, '*', verb), handle);
    answer('sync', () => ({ tasks }));
    answer('urls', async ({ value }) => {
      const { get } = value as UrlsRequest;
      return {
        get: Object.fromEntries(get.map((name) => [name, { url: urlOf(name), expiresAt: Date.now() + 1e6 }])),
      };
    });
    answer('result', ({ value }) => {
      results.push(resultRequestSchema.parse(value));
      tasks = [];
      return { accepted: true };
    });
    await stage.bus.flush();
    const folder = join(stage.dir, 'site');
    where.data = join(folder, 'data');
    where.state = join(folder, 'consilium-state');
    await mkdir(where.data, { recursive: true });
    await writeFile(join(where.data, 'scan.npz'), 'a patient');
    const allowed = `policy: { allowed_digests: ["${pack.archive.digest}"] }\ncache_size: 1 MiB\n`;
    const yaml = `url: ${desk.url}\nname: site\ntoken: ${joinToken}\ndata: { path: data, name: d }\n${allowed}`;
    await writeFile(join(folder, 'client.yaml'), yaml);
    client = new ClientProcess(join(folder, 'client.yaml'));
    await client.ready;
  });
  after(async () => {
    await client?.end();
    internal?.close();
    await desk?.close();
    await stage?.stop();
  });

  let rounds = 0;
  function task(changes: Partial<Task> = {}): Task {
    rounds += 1;
    const { template } = stage.makeOrder(
      'hostile',
      ['site'],
      {},
      { package: pack, round: rounds, config: {} },
    );
    return { ...template, id: taskId(template, 'site'), client: 'site', seconds_left: 60, ...changes };
  }
  async function outcome(of: Task): Promise<Extract<ResultRequest, { outcome: 'failed' }>> {
    tasks = [of];
    stage.bus.publish(subjects.down('site', 'tasks'), { tasks: [] });
    const found = await eventually('the task has ended', async () =>
      results.find(({ task: id }) => id === of.id),
    );
    assert.equal(found.outcome, 'failed', JSON.stringify(found));
    return found as Extract<ResultRequest, { outcome: 'failed' }>;
  }
  const signed = async (name: string): Promise<string> => {
    const ref =
      name === 'package.archive' ? pack.archive : name === 'package.manifest' ? pack.manifest : stage.base;
    return (await stage.store.signGet(ref.bucket, ref.key, 600)).url;
  };
  const honest = async (): Promise<void> => {
    const urls = new Map<string, string>();
    for (const name of ['package.archive', 'package.manifest', 'inputs.weights'])
      urls.set(name, await signed(name));
    urlOf = (name) => urls.get(name) ?? '';
  };

  test('what an internal server answers does not reach the combiner', async () => {
    const { port } = internal.address() as AddressInfo;
    urlOf = () => `http://127.0.0.1:${port}/latest/meta-data`;
    const { error } = await outcome(task());
    assert.equal(error.code, 'STORE_NOT_FOUND');
    assert.ok(!JSON.stringify(error).includes('password'), error.detail);
    assert.ok(asked.length > 0);
  });

  test('an address that is no place for objects is not asked at all', async () => {
    for (const url of [
      'http://169.254.7.7/x',
      'http://[fe80::1]/x',
      'http://0.0.0.0:80/x',
      'http://user:secret@127.0.0.1/x',
      'file:///etc/passwd',
    ]) {
      urlOf = () => url;
      const { error } = await outcome(task());
      assert.match(error.code, /^(CLIENT_URL_REFUSED|STORE_BAD_URL)$/, url);
    }
  });

  test('an object that is larger than the site keeps is refused before a byte of it is fetched', async () => {
    await honest();
    const huge = { ...stage.base, size: 2 ** 50 };
    const before = asked.length;
    for (const change of [
      { package: { ...pack, manifest: { ...pack.manifest, size: 2 ** 40 } } },
      { package: { ...pack, archive: { ...pack.archive, size: 2 ** 40 } } },
      { inputs: { weights: huge } },
      {
        inputs: Object.fromEntries(
          Array.from({ length: 20 }, (_, i) => [
            i === 0 ? 'weights' : `p${i}`,
            { ...stage.base, size: 10 ** 5 },
          ]),
        ),
      },
    ]) {
      const { port } = internal.address() as AddressInfo;
      urlOf = () => `http://127.0.0.1:${port}/huge`;
      const { error } = await outcome(task(change));
      assert.equal(error.code, 'CLIENT_OBJECT_TOO_LARGE');
    }
    assert.equal(asked.length, before);
  });

  test('an archive that is allowed by its digest does not run by the words of a stranger', async () => {
    await honest();
    const { bytes } = await stage.read(pack.manifest);
    const { content } = JSON.parse(Buffer.from(bytes).toString()) as {
      content: Parameters<typeof signPackage>[0];
    };
    const target = join(where.data, '..', 'taken');
    const manifest = signPackage(
      { ...content, runtime: 'process', worker: false, entry: { train: ['sh', '-c', `touch ${target}`] } },
      createIdentity('user'),
    );
    const ref = await stage.putObject(
      'consilium-packages',
      'copy/x/manifest.json',
      Buffer.from(JSON.stringify(manifest)),
    );
    const urls = urlOf;
    const { url } = await stage.store.signGet(ref.bucket, ref.key, 600);
    urlOf = (name) => (name === 'package.manifest' ? url : urls(name));
    const { error } = await outcome(task({ package: { ...pack, manifest: ref } }));
    assert.equal(error.code, 'PKG_MANIFEST_DIFFERS');
    assert.deepEqual((await readdir(join(where.data, '..'))).sort(), [
      'client.yaml',
      'consilium-state',
      'data',
    ]);
  });

  test('the logs of many tasks do not fill the disk', async () => {
    await honest();
    const logs = join(where.state, 'logs');
    await Promise.all(
      Array.from({ length: 300 }, (_, i) => writeFile(join(logs, `old.${i}.0.train.site.log`), 'old')),
    );
    const last = task();
    tasks = [last];
    stage.bus.publish(subjects.down('site', 'tasks'), { tasks: [] });
    // Nobody here signs the upload, so it ends there; it has run.
    await eventually('the task has ended', async () => results.some(({ task: id }) => id === last.id));
    const left = await readdir(logs);
    assert.ok(left.length <= 201, `${left.length} logs are left`);
    assert.ok(left.includes(`${last.id}.log`));
  });

  test('a part whose name leads into the data folder moves nothing there', async () => {
    await honest();
    const hostile = task({ inputs: { weights: stage.base, '../../../../../data/scan': stage.base } });
    tasks = [hostile];
    stage.bus.publish(subjects.down('site', 'tasks'), { tasks: [] });
    await eventually('the list is refused', async () => client.log.includes('BUS_BAD_MESSAGE'));
    assert.equal(await readFile(join(where.data, 'scan.npz'), 'utf8'), 'a patient');
    assert.equal(client.child.exitCode, null);
  });
});
