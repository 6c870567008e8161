import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { TaskEvent } from './contract.js';
import { runTask } from './run.js';
import type { TaskLimits } from './sandbox/limits.js';
import { done, kinds, leave, shellSetup } from './testing/task-checks.js';
import { nodeYaml, processYaml, taskSetup } from './testing/task-packages.js';

for (const { isolation, skip } of kinds) {
  describe(`a task with isolation ${isolation}`, { skip }, () => {
    const shell = (t: TestContext, script: string, limits: Partial<TaskLimits> = {}) =>
      shellSetup(t, script, isolation, limits);

    test('gives back parts, metadata, metrics, events and log, and says how it ran', async (t) => {
      const { request, options } = await shell(
        t,
        `echo out; echo err >&2
         echo '{"event":"backend","name":"shell","device":"cpu"}' >&3
         echo '{"event":"progress","step":1,"metrics":{"loss":0.5}}' >&3
         echo '{"loss": NaN, "accuracy": 0.5}' > "$CONSILIUM_METRICS_OUT"
         ${leave}`,
      );
      const events: TaskEvent[] = [];
      const logFile = join(options.workDir, '..', 'task.log');
      const result = done(
        await runTask(request, { ...options, logFile, onEvent: (event) => events.push(event) }),
      );
      assert.equal(result.numExamples, 7);
      assert.deepEqual(result.metrics, { loss: Number.NaN, accuracy: 0.5 });
      assert.deepEqual(result.backend, { name: 'shell', device: 'cpu' });
      assert.deepEqual(
        events.map(({ event }) => event),
        ['backend', 'progress'],
      );
      assert.equal(await readFile(result.parts.weights!, 'utf8'), 'weights');
      assert.deepEqual(result.logTail.trim().split('\n').sort(), ['err', 'out']);
      assert.deepEqual((await readFile(logFile, 'utf8')).trim().split('\n').sort(), ['err', 'out']);
      assert.equal(result.isolation, isolation === 'sandbox' ? 'bubblewrap' : 'process');
      await result.remove();
      assert.deepEqual(await readdir(options.workDir), []);
    });

    test('runs a node program with the sdk from outside the package', async (t) => {
      const { request, options } = await taskSetup(
        t,
        {
          'package.yaml': nodeYaml({ train: 'train.ts' }),
          'train.ts': `import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
            import { greeting } from '@consilium/sdk';
            const task: any = JSON.parse(readFileSync(process.env.CONSILIUM_TASK!, 'utf8'));
            copyFileSync(task.inputs.weights, task.outputs.weights);
            writeFileSync(task.outputs.metadata, JSON.stringify({ num_examples: task.seed, greeting, cwd: process.cwd(), entry: task.entry }));`,
        },
        { isolation },
      );
      const { metadata } = done(await runTask(request, options));
      assert.equal(metadata.greeting, 'hello from the sdk');
      assert.equal(metadata.entry, 'train');
      assert.ok(String(metadata.cwd).startsWith(options.workDir));
    });

    test('runs a Python program, arguments and all', async (t) => {
      const { request, options } = await taskSetup(
        t,
        {
          'package.yaml': processYaml({
            train: [
              '/usr/bin/python3',
              'lib/train.py',
              '{weights_in}',
              '--out={weights_out}',
              '{seed}',
              '{data_dir}',
              '{unknown}',
            ],
          }),
          'lib/helper.py': 'def examples(path):\n  return len(open(path).read().splitlines()) - 1\n',
          'lib/train.py': `import json, os, shutil, sys
from helper import examples
shutil.copy(sys.argv[1], sys.argv[2].removeprefix('--out='))
n = examples(sys.argv[4] + '/patients.csv')
json.dump({'num_examples': n, 'argv': sys.argv[3:], 'config': json.load(open(os.environ['CONSILIUM_CONFIG']))}, open(os.environ['CONSILIUM_METADATA_OUT'], 'w'))
os.fdopen(3, 'w').write(json.dumps({'event': 'log', 'message': 'hi'}) + '\\n')
`,
        },
        { isolation },
      );
      if (!existsSync('/usr/bin/python3')) return t.skip('needs /usr/bin/python3');
      const { metadata } = done(await runTask(request, options));
      assert.deepEqual(metadata, {
        num_examples: 1,
        argv: ['42', request.dataDir, '{unknown}'],
        config: { epochs: 2 },
      });
    });

    test('sees only the variables of the contract', async (t) => {
      const { request, options } = await shell(t, `env | sort\n${leave}`);
      const secrets = {
        AWS_SECRET_ACCESS_KEY: 's',
        HTTPS_PROXY: 'http://p',
        NODE_OPTIONS: '--title=x',
        CONSILIUM_TOKEN: 't',
      };
      Object.assign(process.env, secrets);
      t.after(() => {
        for (const name of Object.keys(secrets)) delete process.env[name];
      });
      const { logTail } = done(await runTask(request, { ...options, env: { MY_SETTING: '1' } }));
      const names = logTail
        .trim()
        .split('\n')
        .map((line) => line.split('=')[0]!);
      const known =
        /^(CONSILIUM_(TASK|CONTRACT|ENTRY|SESSION|ROUND|SITE|CONFIG|DATA_DIR|STATE_DIR|TMP_DIR|PACKAGE_DIR|WEIGHTS_IN|WEIGHTS_OUT|METADATA_OUT|METRICS_OUT|SEED|THREADS|ACCELERATOR|EVENTS_FD|RUN)|PATH|LANG|LC_ALL|TZ|HOME|USER|LOGNAME|TMPDIR|PWD|OLDPWD|SHLVL|_|PYTHON\w+|\w+_NUM_THREADS|TF_NUM_\w+_THREADS|MY_SETTING)$/;
      assert.deepEqual(
        names.filter((name) => !known.test(name)),
        [],
      );
      assert.ok(names.includes('MY_SETTING') && names.includes('CONSILIUM_DATA_DIR'));
    });

    test('may take away its own permissions and is still cleaned up', async (t) => {
      const { request, options } = await shell(t, `mkdir -p tmp/a/b && chmod 0 tmp/a/b tmp/a\n${leave}`);
      await done(await runTask(request, options)).remove();
      assert.deepEqual(await readdir(options.workDir), []);
    });

    test('keeps its state folder from round to round', async (t) => {
      const { request, options } = await shell(
        t,
        `echo "$CONSILIUM_ROUND" >> "$CONSILIUM_STATE_DIR/rounds"\ncat "$CONSILIUM_STATE_DIR/rounds"\n${leave}`,
      );
      await done(await runTask(request, options)).remove();
      const second = done(await runTask({ ...request, round: 4 }, options));
      assert.equal(second.logTail, '3\n4\n');
    });

    test('gives predictions for an input folder', async (t) => {
      const files = {
        'package.yaml': processYaml({ predict: ['sh', 'predict.sh', '{input}'] }),
        'predict.sh': 'ls "$1" | grep -q patients && echo "[0.5]" > "$CONSILIUM_PREDICTIONS_OUT"\n',
      };
      const { root, request, options } = await taskSetup(t, files, { isolation });
      const inputs = { ...request.inputs, input: join(root, 'data') };
      const { dataDir: _, ...rest } = request;
      const result = done(await runTask({ ...rest, entry: 'predict', inputs }, options));
      assert.equal(await readFile(result.predictions!, 'utf8'), '[0.5]\n');
    });

    test('gives every part that it was given', async (t) => {
      const { root, request, options } = await shell(
        t,
        `cp "$CONSILIUM_WEIGHTS_IN" out/control.npz\n${leave}`,
      );
      await writeFile(join(root, 'models', 'control.npz'), 'control');
      const inputs = { ...request.inputs, control: join(root, 'models', 'control.npz') };
      const result = done(await runTask({ ...request, inputs }, options));
      assert.deepEqual(Object.keys(result.parts), ['weights', 'control']);
    });
  });
}

test('a package without the entry, or for another sdk, or that wants the network, is refused before it starts', async (t) => {
  const files = {
    'package.yaml': nodeYaml({ train: 'train.ts' }, 'resources: { network: any }\n'),
    'train.ts': '',
  };
  const { request, options } = await taskSetup(t, files);
  await assert.rejects(runTask({ ...request, entry: 'validate' }, options), {
    code: 'PKG_NO_ENTRY',
    message: /"validate"; it has train/,
  });
  await assert.rejects(runTask(request, options), { code: 'PKG_NETWORK_DENIED' });
  const sandbox = { ...options.sandbox, network: 'any' as const };
  const newer = { ...options, sandbox, sdk: { ...options.sdk!, version: '0.2.0' } };
  await assert.rejects(runTask(request, newer), { code: 'PKG_SDK_RANGE', message: /\^0\.1.*0\.2\.0/ });
  assert.equal(existsSync(options.workDir), false);
});

test('a data folder that is not there is an error of its own, not the package’s', async (t) => {
  const { request, options } = await taskSetup(t, { 'package.yaml': processYaml({ train: ['true'] }) });
  await assert.rejects(runTask({ ...request, dataDir: '/no/such/folder' }, options), {
    code: 'PKG_START_FAILED',
    message: /\/no\/such\/folder/,
  });
});

test('a policy that demands more than the machine gives is refused, naming both', async (t) => {
  const { request, options } = await taskSetup(
    t,
    { 'package.yaml': processYaml({ train: ['true'] }) },
    { isolation: 'sandbox' },
  );
  const poor = { isolation: 'process', detail: 'No permissions to create new namespace' } as const;
  await assert.rejects(runTask(request, { ...options, machine: poor }), {
    code: 'PKG_ISOLATION_UNAVAILABLE',
    message: /"sandbox".*"process": No permissions/,
  });
});
