import { seededRandom } from './random.js';

export interface Contribution {
  readonly weight: number;
  readonly values: Float64Array;
}

const WEIGHTS = [10, 17, 24, 3001, 38, 1, 523, 59, 66, 7, 80, 87];

/**
 * Contributions that plain and compensated sums get wrong: exponents over 60 binades, and terms that cancel up
 * to a small rest, so that what was rounded away on the way is what should remain. `values` fit `dtype`.
 */
export function hardContributions(
  clients: number,
  elements: number,
  seed: number,
  dtype: 'float32' | 'float64',
): Contribution[] {
  const random = seededRandom(seed);
  const fit = dtype === 'float32' ? Math.fround : (x: number) => x;
  const number = (exponent: number) =>
    fit((1 + random() + random() * 2 ** -30) * 2 ** exponent * (random() < 0.5 ? -1 : 1));
  const contributions = Array.from({ length: clients }, (_, c) => ({
    weight: WEIGHTS[c % WEIGHTS.length]!,
    values: new Float64Array(elements),
  }));
  for (let i = 0; i < elements; i++) {
    const cancels = i % 2 === 0;
    for (const { values } of contributions) {
      values[i] = number(-38 + Math.floor(random() * (!cancels ? 60 : i % 4 === 0 ? 6 : 30)));
    }
    if (!cancels) continue;
    const a = Math.floor(random() * clients);
    const b = (a + 1 + Math.floor(random() * (clients - 1))) % clients;
    // Few enough bits that both products are exact in either dtype: they cancel to nothing.
    const [first, second] = [contributions[a]!.weight, contributions[b]!.weight];
    const factor = Math.floor(1024 + random() * 1024) * 2 ** Math.floor(25 - Math.log2(first * second));
    contributions[a]!.values[i] = factor * second;
    contributions[b]!.values[i] = -factor * first;
  }
  return contributions;
}

export const plainSum = (terms: readonly number[]): number => terms.reduce((sum, term) => sum + term, 0);

export function kahanSum(terms: readonly number[]): number {
  let sum = 0;
  let lost = 0;
  for (const term of terms) {
    const corrected = term - lost;
    const next = sum + corrected;
    lost = next - sum - corrected;
    sum = next;
  }
  return sum;
}

/** Kahan–Babuška sum in Neumaier's form. */
export function neumaierSum(terms: readonly number[]): number {
  let sum = 0;
  let lost = 0;
  for (const term of terms) {
    const next = sum + term;
    lost += Math.abs(sum) >= Math.abs(term) ? sum - next + term : term - next + sum;
    sum = next;
  }
  return sum + lost;
}

/** A finite float64 as integer · 2^-1074, exactly. */
function exact(value: number): bigint {
  const words = new BigUint64Array(new Float64Array([value]).buffer);
  const bits = words[0]!;
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const magnitude = exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
  return bits >> 63n === 1n ? -magnitude : magnitude;
}

function divideToEven(numerator: bigint, denominator: bigint): bigint {
  const sign = numerator < 0n ? -1n : 1n;
  const size = numerator * sign;
  const quotient = size / denominator;
  const twice = 2n * (size % denominator);
  const up = twice > denominator || (twice === denominator && quotient % 2n === 1n);
  return sign * (up ? quotient + 1n : quotient);
}

/**
 * The sum in units of 2^-53, by integer arithmetic alone: each product, rounded to float64 and then to the grid.
 * Written from the definition in docs/decisions/0001-exact-sums.md, sharing nothing with the code under test.
 */
export function oracleUnits(terms: readonly number[]): bigint {
  return terms.reduce((sum, term) => sum + divideToEven(exact(term), 1n << BigInt(1074 - 53)), 0n);
}

/** units · 2^-53 as the nearest float64 (the conversion of a BigInt rounds to nearest, ties to even). */
export function oracleSum(terms: readonly number[]): number {
  return Number(oracleUnits(terms)) * 2 ** -53;
}
