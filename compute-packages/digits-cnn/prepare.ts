import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createRng, readNumericCsv, type SiteRule, writeSiteFiles } from '@consilium/sdk';
import { labelName, pixelNames } from './data.js';
import { pixelCount } from './model.js';

/** Weight of the digits a site sees often, of those it sees seldom. */
const often = 1;
const seldom = 0.08;

function sees(...digits: number[]): Record<number, number> {
  return Object.fromEntries(
    Array.from({ length: 10 }, (_, digit) => [digit, digits.includes(digit) ? often : seldom]),
  );
}

/**
 * Four sites that differ in size, and each sees mostly its own digits. The rule is fixed, the seed deals
 * the images.
 */
const sites: readonly SiteRule[] = [
  { name: 'site-1', share: 40, classWeights: sees(0, 1, 2, 3, 4) },
  { name: 'site-2', share: 30, classWeights: sees(4, 5, 6, 7) },
  { name: 'site-3', share: 20, classWeights: sees(7, 8, 9) },
  { name: 'site-4', share: 10, classWeights: sees(0, 9) },
];

/** Parts of all rows, and of a site's own rows, that are held back. */
const testFraction = 0.25;
const validationFraction = 0.15;

export interface Prepared {
  readonly sites: readonly {
    readonly name: string;
    readonly folder: string;
    readonly examples: number;
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
  const table = readNumericCsv(source, { header: false, columns: pixelCount + 1 });
  const labels = new Int32Array(table.rows);
  for (let row = 0; row < table.rows; row++) {
    labels[row] = table.values[row * table.columns + pixelCount] as number;
  }
  const { sites: written, ...folders } = writeSiteFiles(out, {
    header: [...pixelNames, labelName],
    line: (row) => {
      const from = row * table.columns;
      return [...table.values.subarray(from, from + pixelCount), labels[row] as number];
    },
    labels,
    sites,
    testFraction,
    validationFraction,
    rng: createRng(seed).derive('digits-cnn'),
  });
  const prepared = written.map(({ name, folder, train }) => ({ name, folder, examples: train.length }));
  return { sites: prepared, ...folders };
}

/** The data set that comes with the package; this file may run from its folder or from `dist`. */
function bundledData(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return join(here.endsWith('dist') ? dirname(here) : here, 'data', 'digits.csv.gz');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, seed: { type: 'string', default: '0' } },
  });
  if (values.out === undefined || !/^\d+$/.test(values.seed)) {
    console.error('usage: node dist/prepare.js --out <folder> [--seed <number>]');
    process.exit(2);
  }
  for (const { name, examples } of prepare(values.out, Number(values.seed)).sites) {
    console.log(`${name}: ${examples} to train on`);
  }
}
