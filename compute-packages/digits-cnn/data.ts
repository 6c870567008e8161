import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type NumericTable, readNumericCsv } from '@consilium/sdk';
import { classCount, pixelCount } from './model.js';

/** Column names of the data files. */
export const pixelNames: readonly string[] = Array.from(
  { length: pixelCount },
  (_, index) => `pixel_${index}`,
);
export const labelName = 'digit';

/** The scanner's largest grey value. */
const white = 16;

export interface Images {
  readonly count: number;
  /** Row-major [count, 8, 8, 1], from 0 to 1. */
  readonly pixels: Float32Array;
}

export interface LabelledImages extends Images {
  /** Digits 0 to 9. */
  readonly labels: Int32Array;
}

function pixelsOf(table: NumericTable, path: string): Float32Array {
  const pixels = new Float32Array(table.rows * pixelCount);
  for (let row = 0; row < table.rows; row++) {
    for (let column = 0; column < pixelCount; column++) {
      const value = table.values[row * table.columns + column] as number;
      if (value < 0 || value > white) {
        throw new Error(
          `${path}: row ${row + 1}, ${pixelNames[column]} is ${value}; it must be 0 to ${white}.`,
        );
      }
      pixels[row * pixelCount + column] = value / white;
    }
  }
  return pixels;
}

function checkColumns(table: NumericTable, expected: readonly string[], path: string): void {
  for (const [index, name] of expected.entries()) {
    if (table.header?.[index] !== name) {
      throw new Error(`${path}: column ${index + 1} is "${table.header?.[index]}", it must be "${name}".`);
    }
  }
}

/** Reads a file with 64 pixels and the digit in its last column. */
export function loadImages(path: string): LabelledImages {
  const table = readNumericCsv(path, { header: true, columns: pixelCount + 1 });
  checkColumns(table, [...pixelNames, labelName], path);
  const labels = new Int32Array(table.rows);
  for (let row = 0; row < table.rows; row++) {
    const label = table.values[row * table.columns + pixelCount] as number;
    if (!Number.isInteger(label) || label < 0 || label >= classCount) {
      throw new Error(`${path}: row ${row + 1} has digit ${label}, not 0 to ${classCount - 1}.`);
    }
    labels[row] = label;
  }
  return { count: table.rows, pixels: pixelsOf(table, path), labels };
}

/** Reads a file with 64 pixels a row; a label column after them is not looked at. */
export function loadPixels(path: string): Images {
  const table = readNumericCsv(path, { header: true });
  checkColumns(table, pixelNames, path);
  return { count: table.rows, pixels: pixelsOf(table, path) };
}

/** What to validate on: a test set if the folder is one, else the images the site held back. */
export function validationFile(dataDir: string): string {
  const test = join(dataDir, 'test.csv');
  return existsSync(test) ? test : join(dataDir, 'validation.csv');
}
