import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeCsv } from './csv.js';
import { partitionSkewed, type SiteRule, stratifiedHoldout } from './partition.js';
import type { Rng } from './random.js';

export interface SiteFilesOptions {
  readonly header: readonly string[];
  /** One line of a file: the row's features and its label. */
  readonly line: (row: number) => readonly number[];
  /** Class of each row. */
  readonly labels: ArrayLike<number>;
  readonly sites: readonly SiteRule[];
  /** Parts of all rows, and of a site's own rows, that are held back. */
  readonly testFraction: number;
  readonly validationFraction: number;
  readonly rng: Rng;
}

export interface SiteFiles {
  readonly sites: readonly {
    readonly name: string;
    readonly folder: string;
    /** Rows it trains on. */
    readonly train: readonly number[];
  }[];
  /** Folder with the rows of all sites together, for the comparison. */
  readonly pooled: string;
  /** Folder with `test.csv`, the common test set that no site trains on. */
  readonly test: string;
}

/**
 * Deals a table to sites and writes `<out>/<site>/{train,validation}.csv`, `<out>/pooled/{train,validation}.csv`
 * and `<out>/test/test.csv`. Every row is in exactly one file, and once more under `pooled` unless it is a test
 * row. The same labels, rules and generator write the same bytes.
 */
export function writeSiteFiles(out: string, options: SiteFilesOptions): SiteFiles {
  const { header, line, labels, sites, testFraction, validationFraction, rng } = options;
  const write = (folder: string, file: string, rows: readonly number[]): void => {
    mkdirSync(folder, { recursive: true });
    writeCsv(join(folder, file), header, rows.map(line));
  };
  const pick = (rows: readonly number[], from: readonly number[]) => rows.map((row) => from[row] as number);
  const labelsOf = (rows: readonly number[]) => rows.map((row) => labels[row] as number);

  const { train, test } = stratifiedHoldout(labels, testFraction, rng);
  write(join(out, 'test'), 'test.csv', test);
  const parts = partitionSkewed(labelsOf(train), sites, rng);
  const pooled = { train: [] as number[], validation: [] as number[] };
  const written = sites.map(({ name }, index) => {
    const rows = pick(parts[index] ?? [], train);
    const split = stratifiedHoldout(labelsOf(rows), validationFraction, rng);
    const own = { train: pick(split.train, rows), validation: pick(split.test, rows) };
    const folder = join(out, name);
    write(folder, 'train.csv', own.train);
    write(folder, 'validation.csv', own.validation);
    pooled.train.push(...own.train);
    pooled.validation.push(...own.validation);
    return { name, folder, train: own.train };
  });
  write(join(out, 'pooled'), 'train.csv', pooled.train);
  write(join(out, 'pooled'), 'validation.csv', pooled.validation);
  return { sites: written, pooled: join(out, 'pooled'), test: join(out, 'test') };
}
