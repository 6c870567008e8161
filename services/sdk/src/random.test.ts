import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createRng, withSeededRandom } from './random.js';

describe('Seeded randomness', () => {
  test('repeats itself for a seed, zero included, and differs between seeds and purposes', () => {
    const draws = (seed: number, purpose = 'x') => {
      const rng = createRng(seed).derive(purpose);
      return [rng.next(), rng.next(), rng.next()];
    };
    assert.deepEqual(draws(0), draws(0));
    const different = [draws(0), draws(1), draws(2), draws(0, 'y')].map((list) => list[0]);
    assert.equal(new Set(different).size, 4);
  });

  test('is uniform and normal as it says', () => {
    const rng = createRng(42);
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const bin = rng.int(10);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    // Chi-squared with 9 degrees of freedom: 27.9 is passed once in a thousand seeds.
    const chi = bins.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0);
    assert.ok(chi < 27.9, `chi squared ${chi}`);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < 100_000; i++) {
      const value = rng.normal();
      sum += value;
      squares += value * value;
    }
    assert.ok(Math.abs(sum / 1e5) < 0.015 && Math.abs(squares / 1e5 - 1) < 0.02);
  });

  test('shuffles without losing anything', () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    const shuffled = createRng(7).shuffle([...items]);
    assert.notDeepEqual(shuffled, items);
    assert.deepEqual(
      shuffled.sort((a, b) => a - b),
      items,
    );
  });

  test('takes the place of Math.random while work runs, also when it fails', async () => {
    const original = Math.random;
    const drawn = await withSeededRandom(createRng(3), async () => Math.random());
    assert.equal(drawn, createRng(3).next());
    await assert.rejects(
      withSeededRandom(createRng(3), () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(Math.random, original);
  });
});
