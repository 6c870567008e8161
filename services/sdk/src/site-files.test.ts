import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRng } from './random.js';
import { writeSiteFiles } from './site-files.js';

test('every row is dealt to one file of one site or to the test set, and pooled holds what the sites hold', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'consilium-sites-'));
  t.after(() => rm(out, { recursive: true, force: true }));
  const labels = Array.from({ length: 60 }, (_, row) => row % 2);
  const written = writeSiteFiles(out, {
    header: ['row', 'label'],
    line: (row) => [row, labels[row] as number],
    labels,
    sites: [
      { name: 'a', share: 3 },
      { name: 'b', share: 1 },
    ],
    testFraction: 0.2,
    validationFraction: 0.25,
    rng: createRng(1),
  });
  const rowsOf = async (...files: string[]): Promise<number[]> => {
    const texts = await Promise.all(files.map((file) => readFile(join(out, file), 'utf8')));
    return texts
      .flatMap((text) => text.trim().split('\n').slice(1))
      .map((line) => Number(line.split(',')[0]));
  };
  const sorted = (rows: readonly number[]): number[] => [...rows].sort((a, b) => a - b);
  const ofSites = await rowsOf('a/train.csv', 'a/validation.csv', 'b/train.csv', 'b/validation.csv');
  const ofTest = await rowsOf('test/test.csv');
  assert.deepEqual(
    sorted([...ofSites, ...ofTest]),
    labels.map((_, row) => row),
  );
  assert.deepEqual(sorted(await rowsOf('pooled/train.csv', 'pooled/validation.csv')), sorted(ofSites));
  assert.equal(ofTest.length, 12);
  assert.deepEqual(await rowsOf('a/train.csv'), written.sites[0]?.train);
});
