import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { bufferSource, openNpz } from '@consilium/tensor';
import { type CliResult, consilium } from '../support/cli.js';

/** A home outside the repository with the files in it. */
async function homeWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'consilium-run-test-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(home, path)), { recursive: true });
    await writeFile(join(home, path), text);
  }
  return home;
}

/** Learns y = a·x from data/points.csv. */
const nodePackage = {
  'pack/package.yaml': `name: slope
version: 1.0.0
runtime: node
sdk: ^0.1
entry: {init: pack.ts, train: pack.ts, validate: pack.ts, predict: pack.ts}
config:
  type: object
  properties:
    epochs: {type: integer, minimum: 1, default: 3}
`,
  'pack/pack.ts': `import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Context, entries, tf } from '@consilium/sdk';

interface Config { readonly epochs: number }

function build(): tf.Sequential {
  const model = tf.sequential({ layers: [tf.layers.dense({ name: 'slope', units: 1, useBias: false, inputShape: [1] })] });
  model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
  return model;
}

function points(folder: string) {
  const rows = readFileSync(join(folder, 'points.csv'), 'utf8').trim().split('\\n').map((line) => line.split(',').map(Number));
  const column = (index: number) => tf.tensor2d(rows.map((row) => row[index]!), [rows.length, 1]);
  return { count: rows.length, x: column(0), y: column(1) };
}

export const run = entries<Config>({
  init: (context) => context.sendModel(build()),
  async train(context) {
    const model = build();
    await context.receiveModel(model);
    const { count, x, y } = points(context.dataDir);
    const { epochs } = context.config;
    const { history } = await model.fit(x, y, { epochs, verbose: 0, yieldEvery: 'never' });
    context.progress({ step: epochs, steps: epochs });
    await context.sendModel(model, { numExamples: count, metrics: { loss: (history.loss as number[]).at(-1)!, epochs } });
  },
  async validate(context) {
    const model = build();
    await context.receiveModel(model);
    const { count, x, y } = points(context.dataDir);
    context.sendMetrics(count, { loss: ((await model.evaluate(x, y)) as tf.Scalar).dataSync()[0]! });
  },
  async predict(context) {
    const model = build();
    await context.receiveModel(model);
    const x = Number(readFileSync(context.input('input'), 'utf8'));
    context.sendPredictions([...(model.predict(tf.tensor2d([x], [1, 1])) as tf.Tensor).dataSync()]);
  },
});
`,
  'data/points.csv': '-1,-2\n0.5,1\n1,2\n',
  'test/points.csv': '2,4\n-2,-4\n',
  'new.txt': '10',
};

function shellPackage(script: string, more = ''): Record<string, string> {
  return {
    'pack/package.yaml': `name: shell\nversion: 1.0.0\nruntime: process\nentry: {train: [sh, train.sh]}\n${more}`,
    'pack/train.sh': script,
    'base.npz': 'weights',
  };
}

const leave = `cp "$CONSILIUM_WEIGHTS_IN" "$CONSILIUM_WEIGHTS_OUT"
echo '{"num_examples": 7}' > "$CONSILIUM_METADATA_OUT"
`;

const hasPython = (() => {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import json'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe('package run', () => {
  test('trains, validates and predicts with a TypeScript package outside the repository, without a server', async (t) => {
    const home = await homeWith(t, nodePackage);
    const args = [
      'package',
      'run',
      'train',
      'pack',
      '--data',
      'data',
      '--validate',
      'test',
      '--out',
      'result',
    ];
    const trained = await consilium([...args, '--set', 'epochs=60', '--json'], { home });
    const [init, train, validate] = lines(trained);
    assert.deepEqual([init?.entry, train?.entry, validate?.entry], ['init', 'train', 'validate']);
    assert.deepEqual([train?.num_examples, train?.metrics.epochs, validate?.num_examples], [3, 60, 2]);
    assert.ok(
      train!.metrics.loss! < 1e-3 && validate!.metrics.loss! < 0.1,
      JSON.stringify([train, validate]),
    );
    const result = join(home, 'result');
    assert.deepEqual((await readdir(result)).sort(), [
      'metadata.json',
      'metrics.json',
      'validation.json',
      'weights.npz',
    ]);
    const weights = await openNpz(bufferSource(await readFile(join(result, 'weights.npz'))));
    const { data } = await weights.read('slope/kernel');
    assert.ok(Math.abs(Number(data[0]) - 2) < 0.05, String(data[0]));

    const predict = [
      'package',
      'run',
      'predict',
      'pack',
      '--weights',
      'result/weights.npz',
      '--input',
      'new.txt',
    ];
    const [prediction] = JSON.parse(succeeded(await consilium(predict, { home })).stdout) as number[];
    assert.ok(Math.abs(prediction! - 20) < 0.5, String(prediction));
  });

  test('gives the same weights for the same seed, and others for another', async (t) => {
    const home = await homeWith(t, nodePackage);
    const train = async (seed: string, out: string) => {
      succeeded(await consilium(['package', 'run', 'init', 'pack', '--seed', seed, '--out', out], { home }));
      return readFile(join(home, out, 'weights.npz'), 'base64');
    };
    const first = await train('7', 'a');
    assert.equal(await train('7', 'b'), first);
    assert.notEqual(await train('8', 'c'), first);
  });

  test('leaves nothing behind without --out, and says so', async (t) => {
    const home = await homeWith(t, shellPackage(leave));
    const result = succeeded(
      await consilium(['package', 'run', 'train', 'pack', '--weights', 'base.npz'], { home }),
    );
    assert.match(result.stdout, /^train: 7 examples\n/);
    assert.match(result.stderr, /not kept.*--out/);
    assert.deepEqual((await readdir(home)).sort(), ['base.npz', 'pack']);
    assert.deepEqual((await readdir(join(home, 'pack'))).sort(), ['package.yaml', 'train.sh']);
  });

  test('runs a Python package', { skip: hasPython ? false : 'needs /usr/bin/python3' }, async (t) => {
    const home = await homeWith(t, {
      'pack/package.yaml': `name: snake
version: 1.0.0
runtime: process
entry:
  train: [/usr/bin/python3, train.py, '{weights_in}', '{weights_out}', '{data_dir}']
config:
  type: object
  properties: {factor: {type: number, default: 1}}
`,
      'pack/train.py': `import json, os, shutil, sys
weights_in, weights_out, data = sys.argv[1:]
shutil.copy(weights_in, weights_out)
config = json.load(open(os.environ['CONSILIUM_CONFIG']))
rows = open(data + '/points.csv').read().split()
json.dump({'num_examples': len(rows)}, open(os.environ['CONSILIUM_METADATA_OUT'], 'w'))
json.dump({'sum': config['factor'] * sum(float(r) for r in rows)}, open(os.environ['CONSILIUM_METRICS_OUT'], 'w'))
`,
      'data/points.csv': '1\n2\n4\n',
      'base.npz': 'weights',
    });
    const args = [
      'package',
      'run',
      'train',
      'pack',
      '--weights',
      'base.npz',
      '--data',
      'data',
      '--set',
      'factor=0.5',
    ];
    const [outcome] = lines(await consilium([...args, '--out', 'result', '--json'], { home }));
    assert.deepEqual([outcome?.num_examples, outcome?.metrics], [3, { sum: 3.5 }]);
    assert.equal(await readFile(join(home, 'result/weights.npz'), 'utf8'), 'weights');
  });

  test('keeps the state folder from run to run when one is given', async (t) => {
    const home = await homeWith(
      t,
      shellPackage(`echo run >> "$CONSILIUM_STATE_DIR/runs"
printf '{"runs": %d}' "$(wc -l < "$CONSILIUM_STATE_DIR/runs")" > "$CONSILIUM_METRICS_OUT"
${leave}`),
    );
    const args = ['package', 'run', 'train', 'pack', '--weights', 'base.npz', '--json'];
    const runs = async (...more: string[]) =>
      lines(await consilium([...args, ...more], { home }))[0]?.metrics.runs;
    assert.equal(await runs('--state', 'state'), 1);
    assert.equal(await runs('--state', 'state'), 2);
    assert.equal(await runs(), 1);
  });

  test('of a program that fails shows its last lines and ends with an error', async (t) => {
    const home = await homeWith(t, shellPackage('echo "no column age" >&2\nexit 3\n'));
    const args = ['package', 'run', 'train', 'pack', '--weights', 'base.npz', '--out', 'result'];
    const result = await consilium(args, { home });
    failed(result, 'PKG_TASK_FAILED', 3);
    assert.match(result.stderr, /exit code 3: no column age/);
    await assert.rejects(access(join(home, 'result')));
  });

  test('that is interrupted stops the program and ends with 130', async (t) => {
    const script = 'echo \'{"event":"log","level":"info","message":"started"}\' >&3\nsleep 1000\n';
    const home = await homeWith(t, shellPackage(script));
    const result = await consilium(['package', 'run', 'train', 'pack', '--weights', 'base.npz'], {
      home,
      signal: { name: 'SIGINT', after: 'started' },
    });
    failed(result, 'CLI_INTERRUPTED', 130);
  });

  for (const [what, args, error] of [
    ['train without a model or an init entry', ['train', 'pack'], 'CLI_NO_WEIGHTS'],
    ['validate without a model', ['validate', 'pack'], 'CLI_NO_WEIGHTS'],
    ['an entry that the package has not', ['validate', 'pack', '--weights', 'base.npz'], 'PKG_NO_ENTRY'],
    ['a setting that the package has not', ['train', 'pack', '--set', 'epoch=3'], 'PKG_BAD_CONFIG'],
    ['weights that are not there', ['train', 'pack', '--weights', 'nowhere.npz'], 'CLI_FILE'],
    ['--validate with another entry than train', ['init', 'pack', '--validate', 'pack'], 'USAGE'],
    ['a folder without package.yaml', ['train', '.'], 'PKG_NOT_A_PACKAGE'],
  ] as const) {
    test(`refuses ${what}`, async (t) => {
      const home = await homeWith(t, shellPackage(leave));
      failed(await consilium(['package', 'run', ...args], { home }), error);
    });
  }

  test('refuses an entry that does not exist, and a seed that is no number, as wrong usage', async (t) => {
    const home = await homeWith(t, shellPackage(leave));
    for (const args of [
      ['package', 'run', 'learn', 'pack'],
      ['package', 'run', 'train', 'pack', '--seed', 'x'],
    ]) {
      const { code, stderr } = await consilium(args, { home });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /Usage: consilium package run/);
    }
  });
});

describe('package check', () => {
  test('lists every finding with its place and ends with 8', async (t) => {
    const home = await homeWith(t, {
      'pack/package.yaml':
        'name: broken\nversion: 1.0.0\nruntime: node\nsdk: ^0.1\nentry: {train: train.ts, init: gone.ts}\n',
      'pack/train.ts': "import { nothing } from './nowhere.js';\nnothing();\n",
    });
    const result = await consilium(['package', 'check', 'pack', '--json'], { home });
    assert.equal(result.code, 8);
    const { findings } = JSON.parse(result.stdout) as {
      findings: { code: string; where: string; severity: string }[];
    };
    const errors = findings.filter(({ severity }) => severity === 'error');
    assert.deepEqual(errors.map(({ code }) => code).sort(), ['PKG_BUILD_FAILED', 'PKG_ENTRY_MISSING']);
    assert.ok(errors.some(({ where }) => where.startsWith('train.ts:1')));
    const text = await consilium(['package', 'check', 'pack'], { home });
    assert.match(text.stdout, /error +PKG_ENTRY_MISSING +package\.yaml, field entry\.init/);
  });

  test('of a folder in order ends with 0, warnings or not', async (t) => {
    const home = await homeWith(t, { ...nodePackage, 'pack/README.md': '# Slope\n' });
    const { stdout } = succeeded(await consilium(['package', 'check', 'pack'], { home }));
    assert.equal(stdout, 'no findings: it can be built\n');
    await rm(join(home, 'pack/README.md'));
    assert.match(
      succeeded(await consilium(['package', 'check', 'pack'], { home })).stdout,
      /warning.*README\.md/,
    );
  });
});

interface Outcome {
  readonly entry: string;
  readonly num_examples?: number;
  readonly metrics: Readonly<Record<string, number>>;
}

function lines(result: CliResult): Outcome[] {
  return succeeded(result)
    .stdout.trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
}

function succeeded(result: CliResult): CliResult {
  assert.equal(result.code, 0, result.stderr);
  return result;
}

function failed(result: CliResult, error: string, exit?: number): void {
  assert.match(result.stderr, new RegExp(`^error ${error}: `, 'm'));
  if (exit !== undefined) assert.equal(result.code, exit);
  else assert.notEqual(result.code, 0);
}
