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
    for (const { values } of contributions) values[i] = number(Math.floor(random() * 60) - 38);
    if (i % 2 === 0) {
      // Two contributions whose weighted values cancel exactly, large beside the others.
      const a = Math.floor(random() * clients);
      const b = (a + 1 + Math.floor(random() * (clients - 1))) % clients;
      const big = Math.fround(number(8) * 2 ** 0);
      const short = Math.round(big * 64) / 64;
      contributions[a]!.values[i] = short * contributions[b]!.weight;
      contributions[b]!.values[i] = -short * contributions[a]!.weight;
      if (dtype === 'float32') {
        contributions[a]!.values[i] = Math.fround(contributions[a]!.values[i]!);
        contributions[b]!.values[i] = Math.fround(contributions[b]!.values[i]!);
      }
    }
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

/** The nearest number with `bits` significant bits to units · 2^-53 / weight (no subnormals in reach). */
export function oracleMean(units: bigint, weight: bigint, bits: number): number {
  if (units === 0n) return 0;
  const sign = units < 0n ? -1 : 1;
  const size = units < 0n ? -units : units;
  let shift = 0;
  while ((size << BigInt(shift)) / weight >= 1n << BigInt(bits)) shift--;
  if (shift === 0) while ((size << BigInt(shift)) / weight < 1n << BigInt(bits - 1)) shift++;
  const scaled = shift >= 0 ? divideToEven(size << BigInt(shift), weight) : 0n;
  if (shift < 0) throw new RangeError('shift');
  return sign * Number(scaled) * 2 ** (-53 - shift);
}
