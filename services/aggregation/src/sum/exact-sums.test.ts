import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Contribution } from '../testing/hard-sums.js';
import {
  hardContributions,
  kahanSum,
  neumaierSum,
  oracleSum,
  oracleUnits,
  plainSum,
} from '../testing/hard-sums.js';
import { permutations, seededRandom, shuffled } from '../testing/random.js';
import { FloatSums } from './float-sums.js';
import {
  addTermsReference,
  HI_UNIT,
  highPart,
  isCanonical,
  lowPart,
  MAX_TERM,
  makeCanonical,
} from './grid.js';

type Dtype = 'float32' | 'float64';

const ELEMENTS = 200;

function bytesOf({ values }: Contribution, dtype: Dtype): Uint8Array {
  const typed = dtype === 'float32' ? new Float32Array(values) : values;
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

function summed(contributions: readonly Contribution[], dtype: Dtype): FloatSums {
  const sums = new FloatSums(ELEMENTS);
  sums.clear(ELEMENTS);
  const batch = contributions.map((each) => ({ dtype, weight: each.weight, bytes: bytesOf(each, dtype) }));
  assert.equal(sums.add(batch, 0, ELEMENTS), undefined);
  return sums;
}

const totalWeight = (contributions: readonly Contribution[]) =>
  contributions.reduce((sum, { weight }) => sum + weight, 0);

const termsOf = (contributions: readonly Contribution[], i: number) =>
  contributions.map(({ weight, values }) => weight * values[i]!);

/** The mean as the dtype holds it, by any way of adding numbers. */
function meanBy(
  add: (terms: number[]) => number,
  contributions: readonly Contribution[],
  dtype: Dtype,
): string {
  const total = totalWeight(contributions);
  const means = Float64Array.from({ length: ELEMENTS }, (_, i) => add(termsOf(contributions, i)) / total);
  return Buffer.from((dtype === 'float32' ? new Float32Array(means) : means).buffer).toString('hex');
}

function ordersOf(clients: number): (contributions: Contribution[]) => Contribution[][] {
  if (clients <= 5) return permutations;
  return (contributions) => {
    const random = seededRandom(7);
    return Array.from({ length: 60 }, () => shuffled(contributions, random));
  };
}

for (const dtype of ['float32', 'float64'] as const) {
  for (const clients of [5, 12]) {
    describe(`sums of ${clients} ${dtype} contributions with cancelling terms and 60 binades`, () => {
      const contributions = hardContributions(clients, ELEMENTS, clients, dtype);
      const orders = ordersOf(clients)(contributions);
      const oracle = meanBy(oracleSum, contributions, dtype);

      it('have the same lanes for every order of arrival', () => {
        const lanes = orders.map((order) =>
          Buffer.from(summed(order, dtype).lanes(0, ELEMENTS).buffer).toString('hex'),
        );
        assert.equal(new Set(lanes).size, 1);
      });

      it('are exactly the integer sums of the rounded terms', () => {
        const pairs = summed(contributions, dtype).lanes(0, ELEMENTS);
        for (let i = 0; i < ELEMENTS; i++) {
          const units = BigInt(pairs[2 * i]! * 4) * 2n ** 51n + BigInt(pairs[2 * i + 1]! * 2 ** 53);
          assert.equal(units, oracleUnits(termsOf(contributions, i)), `element ${i}`);
          assert.ok(isCanonical(pairs[2 * i]!, pairs[2 * i + 1]!, clients));
        }
      });

      it('give the mean that exact arithmetic gives', () => {
        const means = summed(contributions, dtype).means(totalWeight(contributions), 0, ELEMENTS);
        const found = Buffer.from((dtype === 'float32' ? new Float32Array(means) : means).buffer);
        assert.equal(found.toString('hex'), oracle);
      });

      it('are wrong and depend on the order with plain float64 and with a Kahan sum', () => {
        for (const add of [plainSum, kahanSum]) {
          const found = new Set(orders.map((order) => meanBy(add, order, dtype)));
          assert.ok(found.size > 1, `${add.name} gave one result`);
          assert.ok([...found].some((mean) => mean !== oracle));
        }
      });

      if (dtype === 'float64') {
        it('depend on the order even with a Kahan–Babuška–Neumaier sum', () => {
          const found = new Set(orders.map((order) => meanBy(neumaierSum, order, dtype)));
          assert.ok(found.size > 1);
        });
      }
    });
  }
}

describe('the compiled kernel', () => {
  it('gives the bits of the reference for every number of updates, odd lengths and places', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      for (const clients of [1, 2, 3, 4, 5, 6, 7, 13]) {
        for (const length of [1, 2, 7, 199, 200]) {
          const contributions = hardContributions(Math.max(clients, 2), ELEMENTS, length, dtype).slice(
            0,
            clients,
          );
          const place = 2048 - 100;
          const sums = new FloatSums(place + ELEMENTS);
          sums.clear(place + ELEMENTS);
          const batch = contributions.map((each) => ({
            dtype,
            weight: each.weight,
            bytes: bytesOf(each, dtype),
          }));
          assert.equal(sums.add(batch, place, length), undefined);
          const hi = new Float64Array(length);
          const lo = new Float64Array(length);
          for (const { weight, values } of contributions) {
            const typed = dtype === 'float32' ? new Float32Array(values) : values;
            assert.equal(addTermsReference(hi, lo, typed.subarray(0, length), weight), -1);
          }
          makeCanonical(hi, lo, length);
          const pairs = sums.lanes(place, length);
          for (let i = 0; i < length; i++) {
            assert.ok(Object.is(pairs[2 * i], hi[i]) && Object.is(pairs[2 * i + 1], lo[i]));
          }
          // Nothing leaked into the neighbours.
          for (const side of [sums.lanes(0, place), sums.lanes(place + length + (length % 2), 10)]) {
            assert.ok(side.every((lane) => Object.is(lane, 0)));
          }
        }
      }
    }
  });

  it('finds the first term that is not finite or too large, in any position of any block', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 36]) {
      for (const index of [0, 1, 2047, 2048, 4098]) {
        const clean = new Float32Array(4099).fill(1);
        const dirty = clean.slice();
        dirty[index] = value;
        const sums = new FloatSums(4100);
        sums.clear(4100);
        const batch = [clean, clean, dirty, clean].map((values) => ({
          dtype: 'float32' as const,
          weight: 3,
          bytes: new Uint8Array(values.buffer),
        }));
        const bad = sums.add(batch, 0, 4099);
        assert.deepEqual(bad, { update: 2, index, value });
      }
    }
  });

  it('accepts the largest term and 10,000 of them without leaving the exact range', () => {
    const sums = new FloatSums(2);
    sums.clear(2);
    const values = Float64Array.of(MAX_TERM, -MAX_TERM);
    const update = { dtype: 'float64' as const, weight: 1, bytes: new Uint8Array(values.buffer) };
    assert.equal(sums.add(new Array(10_000).fill(update), 0, 2), undefined);
    assert.deepEqual([...sums.lanes(0, 2)], [10_000 * MAX_TERM, 0, -10_000 * MAX_TERM, 0]);
    assert.ok(10_000 * MAX_TERM < HI_UNIT * 2 ** 53);
  });
});

describe('the grid', () => {
  it('splits a term into multiples of its units, nearest first, by looking at the term alone', () => {
    const random = seededRandom(3);
    for (let i = 0; i < 20_000; i++) {
      const term = (random() - 0.5) * 2 ** Math.floor(random() * 96 - 60);
      const high = highPart(term);
      const low = lowPart(term, high);
      assert.ok(Number.isInteger(high * 4) && Math.abs(term - high) <= 0.125);
      assert.ok(Number.isInteger(low * 2 ** 53) && Math.abs(low) <= 0.125);
      assert.equal(BigInt(high * 4) * 2n ** 51n + BigInt(low * 2 ** 53), oracleUnits([term]));
    }
  });

  it('has one pair for a sum that lies half way between two high units', () => {
    const hi = Float64Array.of(1, 1.25, -0);
    const lo = Float64Array.of(0.125, -0.125, -0);
    makeCanonical(hi, lo, 3);
    assert.deepEqual([...hi, ...lo], [1.25, 1.25, 0, -0.125, -0.125, 0]);
  });
});
