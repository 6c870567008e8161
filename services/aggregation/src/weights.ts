import { ConsiliumError } from '@consilium/protocol/errors';
import { MAX_WEIGHT } from './sum/grid.js';

/** How much each contribution counts: by its number of examples, or all the same. */
export type Weighting = 'examples' | 'equal';

export const weightings: readonly Weighting[] = ['examples', 'equal'];

const DECIMAL = /^\+?(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2}))?$/;

/**
 * Weights as people type them ("120", "0.25", "1e-2") as whole numbers in exactly the same proportions, as small
 * as possible. Throws AGG_BAD_WEIGHT where one is not a positive number, or where the proportions need whole
 * numbers beyond 2^31.
 */
export function parseWeights(texts: readonly string[]): number[] {
  const decimals = texts.map((text, i) => {
    const match = DECIMAL.exec(text.trim());
    if (match === null) throw bad(`"${text.slice(0, 40)}" is not a positive decimal number.`, i);
    const [, whole = '', fraction = '', exponent = '0'] = match;
    const digits = BigInt(whole + fraction);
    if (digits === 0n) throw bad('It is zero.', i);
    return { digits, exponent: Number(exponent) - fraction.length };
  });
  const lowest = decimals.reduce((least, { exponent }) => Math.min(least, exponent), 0);
  const scaled = decimals.map(({ digits, exponent }) => digits * 10n ** BigInt(exponent - lowest));
  const divisor = scaled.reduce(greatestCommonDivisor, 0n);
  return scaled.map((value, i) => {
    const weight = Number(value / divisor);
    if (weight <= MAX_WEIGHT) return weight;
    throw bad(`Beside the others it is ${weight} in whole numbers, at most ${MAX_WEIGHT} can be used.`, i);
  });
}

function bad(detail: string, index: number): ConsiliumError {
  return new ConsiliumError('AGG_BAD_WEIGHT', detail, {
    where: `weight ${index + 1}`,
    fix: 'Give positive numbers with fewer digits.',
  });
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
