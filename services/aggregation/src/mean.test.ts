import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteSource, TensorInfo } from '@consilium/tensor';
import { bufferSource, collect, openNpz, tensorFrom } from '@consilium/tensor';
import { finishMean, mergePartials, modelInfos, partialSum, weightedMean } from './mean.js';
import { hardUpdates, hexOf, simpleUpdate, sourceOf } from './testing/models.js';
import { permutations, seededRandom, shuffled, splits } from './testing/random.js';
import type { WeightedUpdate } from './updates.js';

async function partialOf(updates: readonly WeightedUpdate[], infos: readonly TensorInfo[]) {
  return { source: bufferSource(await collect(partialSum(updates, infos))), label: 'combiner' };
}

async function valuesOf(source: ByteSource, name: string): Promise<number[]> {
  const { data } = await (await openNpz(source)).read(name);
  return Array.from(data as ArrayLike<number>, Number);
}

async function meanOf(updates: readonly WeightedUpdate[]): Promise<number[]> {
  return valuesOf(bufferSource(await collect(weightedMean(updates))), 'w');
}

describe('the weighted mean', () => {
  it('is Σ w·x / Σ w over all contributions', async () => {
    const updates = [await simpleUpdate([1, -2, 0.5], 10), await simpleUpdate([4, 1, 0.5], 20)];
    assert.deepEqual(await meanOf(updates), [3, 0, 0.5]);
  });

  it('of equal models is that model, whatever the weights', async () => {
    const values = [0.1, -3e-5, 12345.678, 1e-9].map(Math.fround);
    const updates = await Promise.all([7, 1, 123_456].map((weight) => simpleUpdate(values, weight)));
    assert.deepEqual(await meanOf(updates), values);
  });

  it('has no negative zero', async () => {
    for (const rows of [[[-0]], [[-0], [-0]], [[1], [-1]], [[-1e-30]]]) {
      const updates = await Promise.all(rows.map((row) => simpleUpdate(row, 1)));
      const [mean] = await meanOf(updates);
      assert.ok(Object.is(mean, 0), `${rows.join(' and ')} gives ${mean}`);
    }
  });

  it('is taken across the federation, not over the means of combiners', async () => {
    const big = await simpleUpdate([1], 90);
    const small = [await simpleUpdate([0], 5), await simpleUpdate([0], 5)];
    const infos = await modelInfos(big);
    const partials = [await partialOf([big], infos), await partialOf(small, infos)];
    const mean = bufferSource(await collect(finishMean(partials, infos)));
    assert.deepEqual(await valuesOf(mean, 'w'), [Math.fround(0.9)]);
  });
});

describe('the bytes of a model', () => {
  it('are the same for all 120 orders of arrival of 5 updates', async () => {
    const updates = await hardUpdates(5, 11);
    const infos = await modelInfos(updates[0]!);
    const models = new Set<string>();
    const partials = new Set<string>();
    for (const order of permutations(updates)) {
      partials.add(await hexOf(partialSum(order, infos)));
      models.add(await hexOf(weightedMean(order)));
    }
    assert.equal(partials.size, 1);
    assert.equal(models.size, 1);
  });

  it('are the same for every split of 5 updates over one to four combiners, and for merged partials', async () => {
    const updates = await hardUpdates(5, 12);
    const infos = await modelInfos(updates[0]!);
    const random = seededRandom(1);
    const expected = await hexOf(weightedMean(updates));
    const whole = await hexOf(partialSum(updates, infos));
    const all = splits(updates, 4);
    assert.equal(all.length, 51);
    for (const groups of all) {
      const partials = [];
      for (const group of shuffled(groups, random)) {
        partials.push(await partialOf(shuffled(group, random), infos));
      }
      assert.equal(await hexOf(finishMean(partials, infos)), expected);
      assert.equal(await hexOf(mergePartials(partials, infos)), whole);
    }
  });

  it('are the same for random orders and splits of 12 updates, merged in a tree', async () => {
    const updates = await hardUpdates(12, 13);
    const infos = await modelInfos(updates[0]!);
    const random = seededRandom(2);
    const expected = await hexOf(weightedMean(updates));
    for (let round = 0; round < 20; round++) {
      const combiners = 1 + (round % 4);
      const groups: WeightedUpdate[][] = Array.from({ length: combiners }, () => []);
      for (const update of shuffled(updates, random)) groups[Math.floor(random() * combiners)]!.push(update);
      const partials = [];
      for (const group of groups) if (group.length > 0) partials.push(await partialOf(group, infos));
      const merged = bufferSource(await collect(mergePartials(partials.slice(0, 2), infos)));
      const tree = [...partials.slice(2), { source: merged, label: 'merged' }];
      assert.equal(await hexOf(finishMean(tree, infos)), expected);
    }
  });

  it('do not depend on the memory bound', async () => {
    const tensors = ['a', 'b', 'c'].map((name, k) => {
      const values = Array.from({ length: 70_001 }, (_, i) => Math.sin(i * (k + 1)));
      return tensorFrom(name, 'float32', [70_001], values);
    });
    const source = await sourceOf(tensors);
    const other = await sourceOf(
      tensors.map(({ name, data }) =>
        tensorFrom(name, 'float32', [70_001], new Float32Array(data as Float32Array).reverse()),
      ),
    );
    const updates = Array.from({ length: 14 }, (_, i) => {
      return { source: i % 3 === 0 ? source : other, weight: i + 1, label: `site-${i}` };
    });
    const found = new Set<string>();
    for (const memoryBytes of [2 ** 21, 2 ** 22, 2 ** 26]) {
      found.add(await hexOf(weightedMean(updates, { memoryBytes })));
    }
    assert.equal(found.size, 1);
  });

  it('are those of a canonical npz with the dtypes, shapes and order of the base model', async () => {
    const updates = await hardUpdates(3, 14);
    const infos = await modelInfos(updates[0]!);
    const mean = bufferSource(await collect(weightedMean(updates)));
    assert.deepEqual(await modelInfos({ source: mean, label: 'mean' }), infos);
    assert.equal(mean.size, updates[0]!.source.size);
  });
});
