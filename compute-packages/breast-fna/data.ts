import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type NumericTable, readNumericCsv } from '@consilium/sdk';
import { featureCount, featureNames, labelName, scaled } from './features.js';

/** Scaled examples. */
export interface Examples {
  readonly count: number;
  /** Row-major [count, 30], scaled. */
  readonly features: Float32Array;
  /** 1 for malignant, 0 for benign. */
  readonly labels: Float32Array;
}

function scaleRows(table: NumericTable): Float32Array {
  const features = new Float32Array(table.rows * featureCount);
  for (let row = 0; row < table.rows; row++) {
    for (let column = 0; column < featureCount; column++) {
      const value = table.values[row * table.columns + column] as number;
      features[row * featureCount + column] = scaled(column, value);
    }
  }
  return features;
}

function checkColumns(table: NumericTable, expected: readonly string[], path: string): void {
  for (const [index, name] of expected.entries()) {
    if (table.header?.[index] !== name) {
      throw new Error(`${path}: column ${index + 1} is "${table.header?.[index]}", it must be "${name}".`);
    }
  }
}

/** Reads a file with the 30 features and the label in its last column. */
export function loadExamples(path: string): Examples {
  const table = readNumericCsv(path, { header: true, columns: featureCount + 1 });
  checkColumns(table, [...featureNames, labelName], path);
  const labels = new Float32Array(table.rows);
  for (let row = 0; row < table.rows; row++) {
    const label = table.values[row * table.columns + featureCount] as number;
    if (label !== 0 && label !== 1)
      throw new Error(`${path}: row ${row + 1} has label ${label}, not 0 or 1.`);
    labels[row] = label;
  }
  return { count: table.rows, features: scaleRows(table), labels };
}

/** Reads a file with the 30 features; a label column after them is not looked at. */
export function loadFeatures(path: string): { count: number; features: Float32Array } {
  const table = readNumericCsv(path, { header: true });
  checkColumns(table, featureNames, path);
  return { count: table.rows, features: scaleRows(table) };
}

/** What to validate on: a test set if the folder is one, else the rows the site held back. */
export function validationFile(dataDir: string): string {
  const test = join(dataDir, 'test.csv');
  return existsSync(test) ? test : join(dataDir, 'validation.csv');
}
