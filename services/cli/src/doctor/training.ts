import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildPackage,
  findSdk,
  resolveAccelerator,
  resolveLimits,
  runnableFromFolder,
  runTask,
  type TaskResult,
} from '@consilium/package-runner';
import { asConsiliumError } from '@consilium/protocol';
import { backendText } from '../package/task-progress.js';
import { type Check, fail, ok, warn } from './check.js';
import type { Subject } from './subject.js';

const yaml = (sdk: string) => `name: doctor
version: 1.0.0
runtime: node
sdk: ${sdk}
entry:
  init: trial.ts
resources:
  memory: 2 GiB
  timeout: 2m
  accelerator: optional
`;

/** Learns y = 2x + 1 with whatever backend the sdk takes here; the losses are its metrics. */
const program = `import { entry, tf } from '@consilium/sdk';

export const run = entry(async (context) => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] });
  model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
  const x = tf.tensor2d([-1, -0.5, 0, 0.5, 1], [5, 1]);
  const y = tf.tensor2d([-1, 0, 1, 2, 3], [5, 1]);
  const { history } = await model.fit(x, y, { epochs: 50, verbose: 0, yieldEvery: 'never' });
  const losses = history.loss as number[];
  await context.sendModel(model, { metrics: { first: losses[0]!, last: losses.at(-1)! } });
});
`;

/** Builds a tiny package and trains with it, in the sandbox and on the backend that any package would get here. */
export async function checkTraining({ client }: Subject): Promise<Check> {
  const work = await mkdtemp(join(tmpdir(), 'consilium-doctor-'));
  try {
    const source = join(work, 'source');
    await mkdir(source);
    const sdk = await findSdk(import.meta.url);
    await writeFile(join(source, 'package.yaml'), yaml(sdk.version));
    await writeFile(join(source, 'trial.ts'), program);
    const { folder } = await buildPackage(source, join(work, 'built', 'package'));
    const pack = await runnableFromFolder(folder);
    const result = await runTask(
      {
        entry: 'init',
        session: 'doctor',
        round: 0,
        site: 'doctor',
        config: {},
        stateDir: join(work, 'state'),
        seed: 1,
      },
      {
        package: pack,
        workDir: join(work, 'tasks'),
        limits: resolveLimits(pack),
        accelerator: resolveAccelerator(pack, client?.accelerator),
        sandbox: { isolation: client?.policy.isolation ?? 'any', network: 'none' },
        sdk,
      },
    );
    if (result.ok) await result.remove();
    return trainingCheck(result);
  } catch (error) {
    const { code, detail, fix } = asConsiliumError(error);
    return fail('training', `${code}: ${detail}`, fix);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

export function trainingCheck(result: TaskResult): Check {
  if (!result.ok) {
    const { code, detail, fix } = result.error;
    return fail('training', `${code}: ${detail}`, fix);
  }
  const { metrics, backend, isolation, durationMs, logTail } = result;
  const { first = Number.NaN, last = Number.NaN } = metrics;
  const how = `${backendText(backend ?? { name: 'unknown' })}, ${(durationMs / 1000).toFixed(1)} s, isolation ${isolation}`;
  const text = `${how}; loss ${first.toFixed(3)} → ${last.toFixed(3)}`;
  if (!(last < first))
    return fail('training', `${text}: it does not learn`, 'Report it, with the name of the backend.');
  const skipped = logTail.split('\n').filter((line) => /^backend \S+ is not used: /.test(line));
  const better = skipped
    .map((line) => line.replace(/^backend (\S+) is not used: /, '$1: ').replace(/ \(.*/, ''))
    .join('; ');
  if (backend?.name !== 'wasm' && backend?.name !== 'cpu') return ok('training', text);
  const fix = 'It works; a native or GPU backend is much faster for larger networks: make native.';
  return warn('training', better === '' ? text : `${text}. Not used: ${better}`, fix);
}
