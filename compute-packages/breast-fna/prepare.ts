import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createRng, readNumericCsv, type SiteRule, writeSiteFiles } from '@consilium/sdk';
import { featureCount, featureNames, labelName } from './features.js';

/**
 * Four hospitals that differ in size and in whom they see: two screening centres with almost only benign
 * findings, two tumour clinics with almost only malignant ones. The rule is fixed, the seed deals the
 * patients.
 */
const sites: readonly SiteRule[] = [
  { name: 'site-1', share: 45, classWeights: { 0: 1.5, 1: 0.15 } },
  { name: 'site-2', share: 25, classWeights: { 0: 0.06, 1: 2 } },
  { name: 'site-3', share: 18, classWeights: { 0: 1.5, 1: 0.08 } },
  { name: 'site-4', share: 12, classWeights: { 0: 0.08, 1: 2 } },
];

/** Parts of all rows, and of a site's own rows, that are held back. */
const testFraction = 0.4;
const validationFraction = 0.15;

export interface Prepared {
  readonly sites: readonly {
    readonly name: string;
    readonly folder: string;
    readonly examples: number;
    readonly malignant: number;
  }[];
  /** Folder with the training rows of all sites together, for the comparison. */
  readonly pooled: string;
  /** Folder with `test.csv`, the common test set that no site trains on. */
  readonly test: string;
}

/**
 * Writes `<out>/site-1 … site-4/{train,validation}.csv`, `<out>/pooled/…` and `<out>/test/test.csv`. Every
 * row of the data set is in exactly one file (and once more under `pooled`). The same seed writes the same
 * bytes.
 */
export function prepare(out: string, seed: number, source = bundledData()): Prepared {
  // scikit-learn's file: the first line holds counts and class names, the last column 1 for benign.
  const table = readNumericCsv(source, { header: false, columns: featureCount + 1, skipLines: 1 });
  const labels = new Float32Array(table.rows);
  for (let row = 0; row < table.rows; row++) {
    labels[row] = 1 - (table.values[row * table.columns + featureCount] as number);
  }
  const { sites: written, ...folders } = writeSiteFiles(out, {
    header: [...featureNames, labelName],
    line: (row) => {
      const from = row * table.columns;
      return [...table.values.subarray(from, from + featureCount), labels[row] as number];
    },
    labels,
    sites,
    testFraction,
    validationFraction,
    rng: createRng(seed).derive('breast-fna'),
  });
  const prepared = written.map(({ name, folder, train }) => {
    const malignant = train.filter((row) => labels[row] === 1).length;
    return { name, folder, examples: train.length, malignant };
  });
  return { sites: prepared, ...folders };
}

/** The data set that comes with the package; this file may run from its folder or from `dist`. */
function bundledData(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return join(here.endsWith('dist') ? dirname(here) : here, 'data', 'breast_cancer.csv');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, seed: { type: 'string', default: '0' } },
  });
  if (values.out === undefined || !/^\d+$/.test(values.seed)) {
    console.error('usage: node dist/prepare.js --out <folder> [--seed <number>]');
    process.exit(2);
  }
  for (const { name, examples, malignant } of prepare(values.out, Number(values.seed)).sites) {
    console.log(`${name}: ${examples} to train on, ${malignant} of them malignant`);
  }
}
