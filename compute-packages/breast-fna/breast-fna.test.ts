import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseCsv, tf } from '@consilium/sdk';
import { type EntryRequest, runEntry, simulateFederation } from '@consilium/sdk/testing';
import { run as init } from './init.js';
import type { Config } from './model.js';
import { run as predict } from './predict.js';
import { prepare } from './prepare.js';
import { run as train } from './train.js';
import { run as validate } from './validate.js';

const folder = mkdtempSync(join(tmpdir(), 'breast-fna-'));
after(() => rmSync(folder, { recursive: true }));

// The defaults of package.yaml.
const config: Config = { hidden_units: 16, local_epochs: 3, batch_size: 16, learning_rate: 0.1, l2: 0.0001 };
const rounds = 12;
const seed = 0;
const data = prepare(join(folder, 'data'), seed);

const request = (
  entry: EntryRequest['entry'],
  name: string,
  more: Partial<EntryRequest> = {},
): EntryRequest => ({ entry, folder: join(folder, name), config: { ...config }, seed, ...more });

async function testMetrics(weights: string, name: string): Promise<Readonly<Record<string, number>>> {
  const options = { dataDir: data.test, inputs: { weights } };
  return (await runEntry(validate, request('validate', name, options))).metrics;
}

/** Trains as long as a whole federation does, on one folder, through the same entry. */
async function alone(dataDir: string, name: string): Promise<string> {
  const { weights } = await runEntry(init, request('init', `${name}-init`));
  const options = {
    dataDir,
    inputs: { weights },
    config: { ...config, local_epochs: rounds * config.local_epochs },
  };
  return (await runEntry(train, request('train', name, options))).weights;
}

describe('The partition', () => {
  const rows = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n').slice(1);

  test('puts every row of the data set into exactly one file', () => {
    const files = data.sites.flatMap((site) => [
      join(site.folder, 'train.csv'),
      join(site.folder, 'validation.csv'),
    ]);
    const all = [...files, join(data.test, 'test.csv')].flatMap(rows);
    assert.equal(all.length, 569);
    assert.equal(all.filter((row) => row.endsWith(',1')).length, 212);
    const source = parseCsv(
      readFileSync(new URL('../data/breast_cancer.csv', import.meta.url), 'utf8'),
      'source',
    );
    const flipped = source
      .slice(1)
      .map(({ fields }) => [...fields.slice(0, -1).map(Number), 1 - Number(fields.at(-1))].join(','));
    assert.deepEqual([...all].sort(), flipped.sort());
  });

  test('makes sites that differ in size and in the share of malignant findings', () => {
    const [first, second, third, fourth] = data.sites.map(({ examples, malignant }) => ({
      examples,
      share: malignant / examples,
    }));
    assert.ok(first && second && third && fourth);
    assert.ok(first.examples > 2 * fourth.examples);
    assert.ok(first.share < 0.2 && third.share < 0.2);
    assert.ok(second.share > 0.8 && fourth.share > 0.8);
  });

  test('writes the same bytes for the same seed and others for another', () => {
    const of = (name: string, number: number) =>
      readFileSync(join(prepare(join(folder, name), number).pooled, 'train.csv'), 'utf8');
    assert.equal(of('again', seed), of('once-more', seed));
    assert.notEqual(of('other', seed + 1), of('again', seed));
  });
});

describe('breast-fna', () => {
  test('learns over four skewed sites as well as on all data pooled, and better than the median site', async () => {
    const federated = await simulateFederation({
      init,
      train,
      sites: data.sites.map((site) => site.folder),
      rounds,
      config: { ...config },
      seed,
      folder: join(folder, 'federation'),
    });
    const auc = async (weights: string, name: string) => (await testMetrics(weights, name)).auc as number;
    const together = await auc(federated, 'test-federated');
    const pooled = await auc(await alone(data.pooled, 'pooled'), 'test-pooled');
    const single: number[] = [];
    for (const site of data.sites) {
      single.push(await auc(await alone(site.folder, site.name), `test-${site.name}`));
    }
    single.sort((a, b) => a - b);
    const median = ((single[1] as number) + (single[2] as number)) / 2;
    assert.ok(Math.abs(together - pooled) <= 0.01, `federated ${together}, pooled ${pooled}`);
    assert.ok(together > median, `federated ${together}, median site ${median}`);
    assert.ok(together > 0.97, `federated ${together}`);
  });

  test('makes the same update from the same seed, and another from another', async () => {
    const { weights } = await runEntry(init, request('init', 'seeded-init'));
    const update = async (name: string, number: number) => {
      const dataDir = data.sites[0]?.folder as string;
      const result = await runEntry(
        train,
        request('train', name, { dataDir, inputs: { weights }, seed: number }),
      );
      return readFileSync(result.weights);
    };
    const first = await update('seeded-1', 5);
    assert.deepEqual(await update('seeded-2', 5), first);
    assert.notDeepEqual(await update('seeded-3', 6), first);
  });

  test('reports its examples and its metrics, and validates on the rows the site held back', async () => {
    const { weights } = await runEntry(init, request('init', 'report-init'));
    const site = data.sites[0];
    assert.ok(site);
    const options = { dataDir: site.folder, inputs: { weights } };
    const trained = await runEntry(train, request('train', 'report-train', options));
    assert.equal(trained.metadata.num_examples, site.examples);
    assert.deepEqual(Object.keys(trained.metrics), ['loss', 'accuracy']);
    const { metrics } = await runEntry(validate, request('validate', 'report-validate', options));
    const held = readFileSync(join(site.folder, 'validation.csv'), 'utf8').trimEnd().split('\n').length - 1;
    assert.equal(metrics.num_examples, held);
  });

  test('predicts one probability for each row of a CSV file', async () => {
    const weights = await alone(data.pooled, 'predictor');
    const input = join(data.test, 'test.csv');
    const { predictions } = await runEntry(
      predict,
      request('predict', 'predict', { inputs: { weights, input } }),
    );
    const rows = predictions as { malignant: number; diagnosis: string }[];
    const labels = readFileSync(input, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((row) => row.endsWith(',1'));
    assert.equal(rows.length, labels.length);
    const right = rows.filter(({ diagnosis }, row) => (diagnosis === 'malignant') === labels[row]).length;
    assert.ok(right / rows.length > 0.9);
  });

  test('says which column is wrong', async () => {
    const { weights } = await runEntry(init, request('init', 'columns-init'));
    const input = join(folder, 'swapped.csv');
    writeFileSync(input, 'texture_mean,radius_mean\n1,2\n');
    await assert.rejects(
      runEntry(predict, request('predict', 'columns', { inputs: { weights, input } })),
      /swapped\.csv: column 1 is "texture_mean", it must be "radius_mean"/,
    );
  });

  test('leaves no tensors behind over 50 tasks', async () => {
    const { weights } = await runEntry(init, request('init', 'leak-init'));
    const options = { dataDir: data.sites[3]?.folder as string, inputs: { weights } };
    const once = async () =>
      runEntry(train, request('train', 'leak', { ...options, config: { ...config, local_epochs: 1 } }));
    await once();
    const before = tf.memory().numTensors;
    for (let i = 0; i < 50; i++) await once();
    assert.equal(tf.memory().numTensors, before);
  });
});
