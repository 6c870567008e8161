/**
 * The grid on which weighted values are added exactly, and the plain form of its arithmetic.
 *
 * A term t = w·x (one rounding to float64) becomes h + l, where h is t rounded to a multiple of `HI_UNIT` and
 * l is t − h rounded to a multiple of `LO_UNIT` (both to nearest, ties to even). The rule looks at t alone, so
 * the same contribution is the same pair of numbers whatever was added before it. Multiples of a unit that stay
 * below 2^53 units are added by float64 without any rounding, so the order of additions cannot matter.
 *
 * The ranges fit together like this (N terms, N <= MAX_TERMS):
 *   |h| <= MAX_TERM = 2^39 HI_UNIT, so |Σ h| <= 10,000 · 2^39 < 2^53 HI_UNIT   (10,000 < 2^14)
 *   |l| <= HI_UNIT / 2 = 2^50 LO_UNIT, so a carried lane and up to 7 more terms stay within 2^53 LO_UNIT
 * `docs/decisions/0001-exact-sums.md` gives the reasons for the numbers.
 */

/** Unit of the high lane: 2^-2. */
export const HI_UNIT = 2 ** -2;

/** Unit of the low lane: 2^-53. A term is off by at most half of this. */
export const LO_UNIT = 2 ** -53;

/** Largest |w·x| that is accepted: 2^37, about 1.4e11. */
export const MAX_TERM = 2 ** 37;

/** Most contributions in one sum, over all partials. */
export const MAX_TERMS = 10_000;

/** Largest weight of one contribution: 2^31, so that w times a float32 is exact for w < 2^29. */
export const MAX_WEIGHT = 2 ** 31;

/** Terms that may be added to a carried low lane before the next carry. */
export const TERMS_PER_CARRY = 7;

/** Adding and subtracting 1.5 · 2^52 units rounds to a multiple of the unit, ties to even (Knuth's trick). */
export const HI_MAGIC = 1.5 * 2 ** 52 * HI_UNIT;
export const LO_MAGIC = 1.5 * 2 ** 52 * LO_UNIT;

const HALF = HI_UNIT / 2;

/** High part of a term, a multiple of `HI_UNIT`. Needs |t| <= MAX_TERM. */
export function highPart(term: number): number {
  return term + HI_MAGIC - HI_MAGIC;
}

/** Low part of a term, a multiple of `LO_UNIT`, at most half a `HI_UNIT` in magnitude. */
export function lowPart(term: number, high: number): number {
  return term - high + LO_MAGIC - LO_MAGIC;
}

/**
 * Adds `weight`·`values` to the lanes in place: the reference for the compiled kernel, which must give the
 * same bits. Returns the index of the first term that is not a number of at most MAX_TERM, or -1.
 */
export function addTermsReference(
  hi: Float64Array,
  lo: Float64Array,
  values: Float32Array | Float64Array,
  weight: number,
): number {
  for (let i = 0; i < values.length; i++) {
    const term = weight * values[i]!;
    if (!(Math.abs(term) <= MAX_TERM)) return i;
    const high = highPart(term);
    const low = lo[i]! + lowPart(term, high);
    const carry = highPart(low);
    hi[i] = hi[i]! + high + carry;
    lo[i] = low - carry;
  }
  return -1;
}

/**
 * The one pair that stands for an exact sum: low lane in [−HI_UNIT/2, HI_UNIT/2). Without it a tie could leave
 * (h, +half) or (h + unit, −half), which are the same number and other bytes. Zeros are +0. In place, for
 * lanes that have been carried.
 */
export function makeCanonical(hi: Float64Array, lo: Float64Array, length: number): void {
  for (let i = 0; i < length; i++) {
    if (lo[i]! >= HALF) {
      hi[i] = hi[i]! + HI_UNIT;
      lo[i] = lo[i]! - HI_UNIT;
    }
    hi[i] = hi[i]! + 0;
    lo[i] = lo[i]! + 0;
  }
}

/** True when a pair read from a file is one that `makeCanonical` leaves after `count` terms. */
export function isCanonical(hi: number, lo: number, count: number): boolean {
  return (
    Number.isInteger(hi / HI_UNIT) &&
    Number.isInteger(lo / LO_UNIT) &&
    lo >= -HALF &&
    lo < HALF &&
    Math.abs(hi) <= count * MAX_TERM + HI_UNIT
  );
}
