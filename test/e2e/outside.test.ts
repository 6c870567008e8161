import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { consilium } from '../support/cli.js';
import { ClientProcess } from '../support/client-stage.js';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.js';
import { Federation } from '../support/federation.js';
import { makeNamespace, type Namespace, skipNamespace } from '../support/namespace.js';
import { anyNats } from '../support/nats-servers.js';

const run = promisify(execFile);

/** A dependency as npm would have put it there: CommonJS, and nothing but JavaScript. */
const tinyCsv = `
exports.parse = (text) => text.trim().split('\\n').map((line) => line.split(',').map(Number));
`;
const typescript = `
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { entries, tf } from '@consilium/sdk';
import { parse } from 'tiny-csv';

interface Config { readonly rate: number }
const build = () => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1], name: 'line' })] });
const examples = (dataDir: string) => {
  const rows: number[][] = parse(readFileSync(join(dataDir, 'points.csv'), 'utf8'));
  return { n: rows.length, x: tf.tensor2d(rows.map(([x]) => [x!])), y: tf.tensor2d(rows.map(([, y]) => [y!])) };
};
const lossOf = (model: tf.Sequential, x: tf.Tensor, y: tf.Tensor): number =>
  (tf.losses.meanSquaredError(y, model.predict(x) as tf.Tensor) as tf.Scalar).dataSync()[0]!;

export const run = entries<Config>({
  init: async (context) => context.sendModel(build()),
  train: async (context) => {
    const model = build();
    await context.receiveModel(model);
    model.compile({ optimizer: tf.train.sgd(context.config.rate), loss: 'meanSquaredError' });
    const { n, x, y } = examples(context.dataDir);
    await model.fit(x, y, { epochs: 20, verbose: 0 });
    await context.sendModel(model, { numExamples: n, metrics: { loss: lossOf(model, x, y) } });
  },
  validate: async (context) => {
    const model = build();
    await context.receiveModel(model);
    const { n, x, y } = examples(context.dataDir);
    context.sendMetrics(n, { loss: lossOf(model, x, y) });
  },
});
`;
const lineYaml = `
name: line
version: 1.0.0
runtime: node
sdk: ^0.1
entry: { init: line.ts, train: line.ts, validate: line.ts }
config:
  type: object
  additionalProperties: false
  properties: { rate: { type: number, default: 0.1 } }
metrics: { primary: loss, maximize: false }
`;
const shell = `#!/bin/sh
set -eu
examples=$(wc -l < "$CONSILIUM_DATA_DIR/points.csv")
if [ "$CONSILIUM_ENTRY" = train ]; then
  cp "$CONSILIUM_WEIGHTS_IN" "$CONSILIUM_WEIGHTS_OUT"
  echo "{\\"num_examples\\": $examples}" > "$CONSILIUM_METADATA_OUT"
  echo '{"loss": 0.5}' > "$CONSILIUM_METRICS_OUT"
else
  echo "{\\"loss\\": 0.5, \\"num_examples\\": $examples}" > "$CONSILIUM_METRICS_OUT"
fi
`;
const shellYaml = `
name: shell
version: 1.0.0
runtime: process
entry: { train: [sh, task.sh], validate: [sh, task.sh] }
`;

describe('a package from a folder outside the repository, at a site that reaches the platform alone', {
  skip: anyNats.skip,
}, () => {
  let federation: Federation;
  let network: Namespace;
  let proxy: ConnectProxy;
  let outside: string;
  let client: ClientProcess;
  before(async () => {
    federation = await Federation.start({ combiners: 1, natsServer: anyNats.path! });
    outside = await mkdtemp(join(tmpdir(), 'consilium-outside-'));
    network = makeNamespace();
    // A hospital's proxy, and the only thing that the client's network can reach at all.
    proxy = await startConnectProxy({}, network.host);
    const { code, stderr } = await cli('login', federation.url, '--token', federation.token);
    assert.equal(code, 0, stderr);
  });
  after(async () => {
    await client?.end('SIGTERM');
    await federation?.close();
    await proxy?.close();
    network?.remove();
    await rm(outside, { recursive: true, force: true });
  });

  const cli = (...args: string[]) => consilium(args, { home: outside });

  async function write(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(outside, folder, name)), { recursive: true });
      await writeFile(join(outside, folder, name), text);
    }
    return join(outside, folder);
  }

  async function publish(folder: string): Promise<void> {
    const { code, stdout, stderr } = await cli('package', 'publish', folder);
    assert.equal(code, 0, stdout + stderr);
  }

  async function session(...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await cli('session', 'start', '--follow', ...args);
    assert.equal(code, 0, `${stdout}${stderr}\n${client.log}`);
  }

  test('nothing answers in the network of the client but the proxy', { skip: skipNamespace }, async () => {
    const [program = '', ...line] = lineOf(network);
    for (const address of [new URL(federation.url).host, '192.0.2.1:443']) {
      const [host, port] = address.split(':');
      const script = `require('node:net').connect(${port}, '${host}').on('error', (e) => console.log(e.code))`;
      const { stdout } = await run(program, [...line, process.execPath, '-e', script]);
      assert.match(stdout, /^(ECONNREFUSED|ENETUNREACH)\n$/, `${address} can be reached`);
    }
  });

  test('the client joins with neither npm nor modules in its reach', async () => {
    const key = (await cli('package', 'key')).stdout.trim();
    const data = await write('data', { 'points.csv': '0,1\n1,3\n2,5\n3,7\n' });
    const site = await federation.addSite('remote', data, {
      policy: { allowed_signers: [/U[A-Z2-7]{55}/.exec(key)?.[0]] },
      proxy: proxy.url,
    });
    const bin = join(outside, 'bin');
    const home = join(outside, 'home');
    for (const folder of [bin, home]) await mkdir(folder);
    if (existsSync('/usr/bin/bwrap')) await symlink('/usr/bin/bwrap', join(bin, 'bwrap'));
    for (let at = site.home; at !== dirname(at); at = dirname(at)) {
      assert.ok(!(await readdir(at)).includes('node_modules'), `there are modules in ${at}`);
    }
    const env = { PATH: bin, HOME: home, CONSILIUM_E2E: federation.dir };
    const under = lineOf(network);
    client = new ClientProcess(site.config, [], under, { cwd: site.home, env });
    await client.ready;
  });

  test('TypeScript with a dependency is built, published, and learns there', async () => {
    await publish(
      await write('line', {
        'package.yaml': lineYaml,
        'line.ts': typescript,
        'package.json': '{ "name": "line", "dependencies": { "tiny-csv": "file:../tiny-csv" } }',
        'node_modules/tiny-csv/package.json':
          '{ "name": "tiny-csv", "version": "1.0.0", "main": "index.js" }',
        'node_modules/tiny-csv/index.js': tinyCsv,
      }),
    );
    await session('--package', 'line', '--name', 'learns', '--set', 'rounds=2', '--set', 'rate=0.05');
    const { models, findings, recomputed } = await federation.verify('learns');
    assert.deepEqual([models.length, recomputed, findings.length], [3, 2, 0]);
    const losses = models.slice(1).map(({ manifest }) => manifest.content.metrics.loss!);
    assert.ok(losses[1]! < losses[0]!, `${losses}`);
  });

  test('a program in another language runs by the same contract', async () => {
    await publish(await write('shell', { 'package.yaml': shellYaml, 'task.sh': shell }));
    const made = await cli('model', 'download', 'learns/latest', '--out', join(outside, 'seed'));
    assert.equal(made.code, 0, made.stderr);
    const seed = ['--seed', join(outside, 'seed', 'weights.npz')];
    await session('--package', 'shell', '--name', 'foreign', '--set', 'rounds=1', ...seed);
    const { models, findings } = await federation.verify('foreign');
    assert.deepEqual([models.length, findings.length], [2, 0]);
    assert.equal(models[1]!.manifest.content.num_examples, 4);
    assert.equal(models[1]!.manifest.content.weights.digest, models[0]!.manifest.content.weights.digest);
  });

  test('every tunnel that the client asked for led to the platform', async () => {
    const ports = Object.values(
      JSON.parse(await readFile(join(federation.dir, 'ports.json'), 'utf8')) as Record<string, number>,
    );
    assert.ok(proxy.tunnels.length > 0);
    const known = new Set(ports.map((port) => `127.0.0.1:${port}`));
    assert.deepEqual(
      proxy.tunnels.filter((target) => !known.has(target)),
      [],
    );
  });
});

/** The command line that leads into the network, by full path: the client's own PATH does not hold it. */
function lineOf({ under }: Namespace): string[] {
  const [program, ...rest] = under;
  if (program === undefined) return [];
  const folders = (process.env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  const found = [...folders, '/usr/sbin', '/sbin'].find((folder) => existsSync(join(folder, program)));
  assert.ok(found !== undefined, `${program} is not on the PATH`);
  return [join(found, program), ...rest];
}
