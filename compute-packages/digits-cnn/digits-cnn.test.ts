import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { namedWeights, tf, useBackend } from '@consilium/sdk';
import { type EntryRequest, runEntry, simulateFederation } from '@consilium/sdk/testing';
import { run as init } from './init.js';
import { buildModel, type Config } from './model.js';
import { run as predict } from './predict.js';
import { prepare } from './prepare.js';
import { run as train } from './train.js';
import { run as validate } from './validate.js';

const folder = mkdtempSync(join(tmpdir(), 'digits-cnn-'));
after(() => rmSync(folder, { recursive: true }));

// The defaults of package.yaml.
const config: Config = { local_epochs: 2, batch_size: 32, learning_rate: 0.003 };
const seed = 0;
const data = prepare(join(folder, 'data'), seed);

const request = (
  entry: EntryRequest['entry'],
  name: string,
  more: Partial<EntryRequest> = {},
): EntryRequest => ({ entry, folder: join(folder, name), config: { ...config }, seed, ...more });

async function accuracy(weights: string, name: string): Promise<number> {
  const options = { dataDir: data.test, inputs: { weights } };
  return (await runEntry(validate, request('validate', name, options))).metrics.accuracy as number;
}

describe('The partition', () => {
  const digits = (path: string) =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((row) => row.slice(row.lastIndexOf(',') + 1));

  test('uses every image once', () => {
    const files = data.sites.flatMap((site) => [
      join(site.folder, 'train.csv'),
      join(site.folder, 'validation.csv'),
    ]);
    assert.equal([...files, join(data.test, 'test.csv')].flatMap(digits).length, 1797);
  });

  test('gives each site mostly digits of its own', () => {
    const [first, , third] = data.sites.map((site) => digits(join(site.folder, 'train.csv')));
    assert.ok(first && third);
    const share = (labels: string[], own: string) =>
      labels.filter((digit) => own.includes(digit)).length / labels.length;
    assert.ok(share(first, '01234') > 0.8);
    assert.ok(share(third, '789') > 0.8);
    assert.ok(first.length > 2 * third.length);
  });
});

describe('digits-cnn', () => {
  test('has 3,818 parameters under stable names', async () => {
    await useBackend('cpu');
    const weights = namedWeights(buildModel());
    const count = weights.reduce(
      (sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1),
      0,
    );
    assert.equal(count, 3818);
    assert.deepEqual(
      weights.map(({ name }) => name),
      [...['conv1/kernel', 'conv1/bias', 'conv2/kernel', 'conv2/bias', 'digit/kernel', 'digit/bias']],
    );
  });

  test('learns over sites that each see other digits, and reads unseen images', async () => {
    const weights = await simulateFederation({
      init,
      train,
      sites: data.sites.map((site) => site.folder),
      rounds: 8,
      config: { ...config },
      seed,
      folder: join(folder, 'federation'),
    });
    const reached = await accuracy(weights, 'test-federated');
    assert.ok(reached >= 0.9, `accuracy ${reached}`);

    const input = join(data.test, 'test.csv');
    const { predictions } = await runEntry(
      predict,
      request('predict', 'predict', { inputs: { weights, input } }),
    );
    const rows = predictions as { digit: number; probabilities: number[] }[];
    const labels = readFileSync(input, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((row) => Number(row.slice(row.lastIndexOf(',') + 1)));
    const right = rows.filter(({ digit }, row) => digit === labels[row]).length;
    assert.equal(right / labels.length, reached);
    assert.ok(rows.every(({ probabilities }) => Math.abs(probabilities.reduce((a, b) => a + b) - 1) < 1e-4));
  });

  test('makes the same update from the same seed and leaves no tensors behind', async () => {
    const { weights } = await runEntry(init, request('init', 'seeded-init'));
    const update = async (name: string) => {
      const dataDir = data.sites[3]?.folder as string;
      return readFileSync(
        (await runEntry(train, request('train', name, { dataDir, inputs: { weights } }))).weights,
      );
    };
    const first = await update('seeded-1');
    const before = tf.memory().numTensors;
    assert.deepEqual(await update('seeded-2'), first);
    assert.equal(tf.memory().numTensors, before);
  });
});
