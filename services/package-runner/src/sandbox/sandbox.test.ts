import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runTask } from '../run.js';
import { nodeYaml, processYaml, taskSetup } from '../testing/task-packages.js';
import { detectIsolation } from './detect.js';

const machine = await detectIsolation();
const skip = machine.isolation === 'bubblewrap' ? false : `needs bubblewrap: ${machine.detail}`;

/** Runs an expression in the sandbox and gives what it returned. */
async function probe(
  t: TestContext,
  body: string,
  change: (
    setup: Awaited<ReturnType<typeof taskSetup>>,
  ) => Promise<Partial<Awaited<ReturnType<typeof taskSetup>>['options']>> = async () => ({}),
  yaml = '',
): Promise<unknown> {
  const program = `import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
const task: any = JSON.parse(fs.readFileSync(process.env.CONSILIUM_TASK!, 'utf8'));
const attempt = (f: () => unknown) => { try { f(); return 'done'; } catch (e: any) { return e.code ?? e.message; } };
const found = await (async () => { ${body} })();
fs.writeFileSync(task.outputs.metrics, '{}');
fs.copyFileSync(task.inputs.weights, task.outputs.weights);
fs.writeFileSync(task.outputs.metadata, JSON.stringify({ num_examples: 1, found }));
process.exit(0);
`;
  const setup = await taskSetup(
    t,
    { 'package.yaml': nodeYaml({ train: 'train.ts' }, yaml), 'train.ts': program },
    { isolation: 'sandbox' },
  );
  const more = await change(setup);
  const result = await runTask(setup.request, { ...setup.options, ...more });
  assert.ok(result.ok, result.ok ? '' : `${result.error.message}\n${result.logTail}`);
  return result.metadata.found;
}

test('a sandboxed package reaches no server, not even one on this machine', { skip }, async (t) => {
  const server = createServer((_, response) => response.end('inside'));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const body = `
    const connect = (host: string, port: number) => new Promise((done) => {
      const socket = net.connect({ host, port, timeout: 3000 });
      socket.on('connect', () => done('connected')); socket.on('error', (e: any) => done(e.code)); socket.on('timeout', () => done('timeout'));
    });
    return [await connect('127.0.0.1', ${port}), await connect('192.0.2.1', 80), Object.keys(os.networkInterfaces())];`;
  const [loopback, outside, interfaces] = (await probe(t, body)) as [string, string, string[]];
  assert.equal(loopback, 'ECONNREFUSED');
  assert.equal(outside, 'ENETUNREACH');
  assert.deepEqual(interfaces, ['lo']);
});

test('a package that asks for the network and is granted it has it', { skip }, async (t) => {
  const server = createServer((_, response) => response.end('inside'));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const body = `return (await fetch('http://127.0.0.1:${port}/')).text();`;
  const grant = async () => ({ sandbox: { isolation: 'sandbox' as const, network: 'any' as const } });
  assert.equal(await probe(t, body, grant, 'resources: { network: any }\n'), 'inside');
});

test('a sandboxed package sees no home folder, no passwords and no other task', { skip }, async (t) => {
  const body = `return ['/root', '/home', ${JSON.stringify(homedir())}, '/etc/passwd', '/etc/shadow', '/var', '/run', '/etc/hosts', '/etc/ssl'].filter((path) => fs.existsSync(path));`;
  assert.deepEqual(await probe(t, body), []);
});

test('the key folder is out of reach, even inside the data folder', { skip }, async (t) => {
  const body = `return [fs.existsSync(task.dataDir + '/patients.csv'), fs.readdirSync(task.dataDir + '/keys'), attempt(() => fs.readFileSync(task.dataDir + '/keys/client.nk')), attempt(() => fs.readFileSync(task.dataDir + '/token'))];`;
  const found = await probe(t, body, async ({ root, options }) => {
    const keys = join(root, 'data', 'keys');
    await mkdir(keys);
    await writeFile(join(keys, 'client.nk'), 'SUAsecret');
    await writeFile(join(root, 'data', 'token'), 'secret');
    return {
      sandbox: { ...options.sandbox, hidden: [keys, join(root, 'data', 'token'), join(root, 'not-there')] },
    };
  });
  assert.deepEqual(found, [true, [], 'ENOENT', 'EACCES']);
});

test('data, package, model, sdk and system are read-only; the task and state folders are not', {
  skip,
}, async (t) => {
  const body = `
    const targets = { data: task.dataDir + '/x', dataFile: task.dataDir + '/patients.csv', package: process.env.CONSILIUM_PACKAGE_DIR + '/x', model: task.inputs.weights,
      system: '/usr/x', root: '/x', modules: process.env.CONSILIUM_PACKAGE_DIR + '/../node_modules/x', state: task.stateDir + '/x', task: 'x', tmp: task.tmpDir + '/x', privateTmp: '/tmp/x' };
    const undone = attempt(() => fs.unlinkSync(task.dataDir + '/patients.csv'));
    return [...Object.entries(targets).map(([name, path]) => name + ' ' + attempt(() => fs.writeFileSync(path, 'x'))), 'unlink ' + undone];`;
  let data = '';
  const found = await probe(t, body, async ({ root }) => {
    data = join(root, 'data', 'patients.csv');
    await chmod(data, 0o666);
    return {};
  });
  const refused = (name: string) => `${name} EROFS`;
  assert.deepEqual(found, [
    ...['data', 'dataFile', 'package', 'model', 'system', 'root', 'modules'].map(refused),
    'state done',
    'task done',
    'tmp done',
    'privateTmp done',
    refused('unlink'),
  ]);
  assert.match(await readFile(data, 'utf8'), /^id,age/);
});

test('a native backend is there to be read, and the task is told where', { skip }, async (t) => {
  const body = `
    const folder = process.env.CONSILIUM_NATIVE!;
    return [folder, fs.readFileSync(folder + '/library.so', 'utf8'), attempt(() => fs.writeFileSync(folder + '/library.so', 'x'))];`;
  let native = '';
  const found = await probe(t, body, async ({ root }) => {
    native = join(root, 'native');
    await mkdir(native);
    await writeFile(join(native, 'library.so'), 'native code');
    return {};
  });
  assert.deepEqual(found, [native, 'native code', 'EROFS']);
});

test('nothing that a package writes to /tmp is there afterwards', { skip }, async (t) => {
  const name = `/tmp/consilium-sandbox-${process.pid}`;
  await probe(t, `fs.writeFileSync(${JSON.stringify(name)}, 'x'); return 0;`);
  assert.equal(existsSync(name), false);
});

test('shared memory is bounded, and nothing else of /dev can be filled', { skip }, async (t) => {
  const body = `
    const size = (path: string) => { const { blocks, bsize } = fs.statfsSync(path); return blocks * bsize; };
    return [size('/dev/shm') <= 2 ** 30, attempt(() => fs.writeFileSync('/dev/x', 'x')),
      attempt(() => fs.writeFileSync('/dev/shm/y', '')), attempt(() => fs.writeFileSync('/dev/null', 'x'))];`;
  assert.deepEqual(await probe(t, body), [true, 'EROFS', 'done', 'done']);
});

test('a sandboxed package sees no process but its own, and has no rights over the system', {
  skip,
}, async (t) => {
  const body = `
    const pids = fs.readdirSync('/proc').filter((name: string) => /^\\d+$/.test(name));
    const names = pids.map((pid: string) => fs.readFileSync('/proc/' + pid + '/comm', 'utf8').trim());
    const status = fs.readFileSync('/proc/self/status', 'utf8');
    return [names.sort(), /CapEff:\\s*(\\w+)/.exec(status)![1], /NoNewPrivs:\\s*(\\d)/.exec(status)![1], os.hostname()];`;
  const [names, capabilities, noNewPrivileges, host] = (await probe(t, body)) as [
    string[],
    string,
    string,
    string,
  ];
  assert.deepEqual(names, ['bwrap', 'node']);
  assert.equal(Number(capabilities), 0);
  assert.equal(noNewPrivileges, '1');
  assert.equal(host, 'consilium');
});

test('the cache of other packages is out of sight', { skip }, async (t) => {
  const body = 'return fs.readdirSync(process.env.CONSILIUM_PACKAGE_DIR + "/../..");';
  const found = await probe(t, body, async ({ options }) => {
    await mkdir(join(dirname(dirname(options.package.folder)), 'other-package'));
    return {};
  });
  assert.ok(!(found as string[]).includes('other-package'));
});

test('a program outside the system folders is found once the operator shows it', { skip }, async (t) => {
  const files = { 'package.yaml': processYaml({ train: ['site-tool'] }) };
  const { root, request, options } = await taskSetup(t, files, { isolation: 'sandbox' });
  const tools = join(root, 'tools');
  await mkdir(tools);
  await writeFile(
    join(tools, 'site-tool'),
    '#!/bin/sh\ncp "$CONSILIUM_WEIGHTS_IN" "$CONSILIUM_WEIGHTS_OUT"; echo \'{"num_examples":1}\' > "$CONSILIUM_METADATA_OUT"\n',
    { mode: 0o755 },
  );
  const hidden = await runTask(request, options);
  assert.ok(!hidden.ok && hidden.error.code === 'PKG_START_FAILED', hidden.logTail);
  const shown = {
    sandbox: { ...options.sandbox, readOnly: [tools] },
    env: { PATH: `${tools}:/usr/bin:/bin` },
  };
  const result = await runTask(request, { ...options, ...shown });
  assert.ok(result.ok, result.logTail);
});
