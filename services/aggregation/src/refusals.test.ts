import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorCode } from '@consilium/protocol/errors';
import { ConsiliumError } from '@consilium/protocol/errors';
import type { Tensor } from '@consilium/tensor';
import { bufferSource, collect, openNpz, tensorFrom, writeNpz } from '@consilium/tensor';
import { finishMean, mergePartials, modelInfos, partialSum, weightedMean } from './mean.js';
import { hardUpdates, simpleUpdate, sourceOf } from './testing/models.js';
import type { WeightedUpdate } from './updates.js';

async function refused(work: AsyncIterable<Uint8Array>, code: ErrorCode, ...parts: string[]): Promise<void> {
  await assert.rejects(collect(work), (error) => {
    assert.ok(error instanceof ConsiliumError, String(error));
    assert.equal(error.code, code);
    for (const part of parts)
      assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
    return true;
  });
}

describe('an aggregate refuses', () => {
  it('NaN and infinities, naming site, tensor and element', async () => {
    const good = await simpleUpdate([1, 2, 3], 5, 'site-a');
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const bad = await simpleUpdate([1, 2, value], 5, 'site-b');
      for (const order of [
        [good, bad],
        [bad, good],
      ]) {
        await refused(weightedMean(order), 'AGG_NOT_FINITE', String(value), 'site-b, tensor "w", element 2');
      }
    }
  });

  it('NaN in float16, bfloat16 and float64 too', async () => {
    for (const dtype of ['float16', 'bfloat16', 'float64'] as const) {
      const source = await sourceOf([tensorFrom('w', dtype, [2], [1, Number.NaN]) as Tensor]);
      const update = { source, weight: 1, label: 'site' };
      await refused(weightedMean([update]), 'AGG_NOT_FINITE', 'element 1');
    }
  });

  it('a weighted value beyond 2^37, whatever the others are', async () => {
    const small = await simpleUpdate([-(2 ** 30)], 100, 'site-a');
    const large = await simpleUpdate([2 ** 31], 65, 'site-b');
    for (const order of [
      [small, large],
      [large, small],
    ]) {
      await refused(weightedMean(order), 'AGG_OUT_OF_RANGE', '2147483648', 'weight 65', 'site-b');
    }
    assert.equal((await collect(weightedMean([await simpleUpdate([2 ** 31], 64)]))).length > 0, true);
  });

  it('weights that are no whole number from 1 to 2^31', async () => {
    for (const weight of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31 + 1]) {
      const updates = [await simpleUpdate([1], 1), await simpleUpdate([1], weight, 'site-b')];
      await refused(weightedMean(updates), 'AGG_BAD_WEIGHT', String(weight), 'site-b');
    }
  });

  it('to be the mean of nothing', async () => {
    await refused(weightedMean([]), 'AGG_NO_WEIGHT');
    await refused(partialSum([], []), 'AGG_NO_WEIGHT');
    await refused(finishMean([], []), 'AGG_NO_WEIGHT');
  });

  it('models that differ in names, dtypes, shapes or number of tensors', async () => {
    const base: WeightedUpdate = await simpleUpdate([1, 2], 1);
    const others = {
      'name "w", found "v"': tensorFrom('v', 'float32', [2], [1, 2]),
      'dtype float32, found float64': tensorFrom('w', 'float64', [2], [1, 2]),
      'shape (2), found (3)': tensorFrom('w', 'float32', [3], [1, 2, 3]),
      'shape (2), found (1, 2)': tensorFrom('w', 'float32', [1, 2], [1, 2]),
    };
    for (const [message, tensor] of Object.entries(others)) {
      const other = { source: await sourceOf([tensor]), weight: 1, label: 'site-b' };
      await refused(weightedMean([base, other]), 'AGG_MISMATCH', message, 'site-b');
    }
    const more = await sourceOf([
      tensorFrom('w', 'float32', [2], [1, 2]),
      tensorFrom('x', 'float32', [1], [1]),
    ]);
    await refused(weightedMean([base, { source: more, weight: 1, label: 'b' }]), 'AGG_MISMATCH', '"x"');
  });

  it('more than 10,000 contributions, at once and over partials', async () => {
    const update = await simpleUpdate([1], 1);
    const infos = await modelInfos(update);
    const many = Array.from({ length: 10_001 }, () => update);
    await refused(partialSum(many, infos), 'AGG_TOO_MANY', '10001');
    const half = { source: bufferSource(await collect(partialSum(many.slice(0, 5_001), infos))), label: 'p' };
    await refused(mergePartials([half, half], infos), 'AGG_TOO_MANY', '10002');
  });

  it('a memory bound that nothing fits into', async () => {
    const update = await simpleUpdate([1], 1);
    await refused(weightedMean([update], { memoryBytes: 1000 }), 'AGG_MEMORY', '1000');
  });

  it('a damaged file, naming it', async () => {
    const update = await simpleUpdate([1], 1);
    const broken = bufferSource((await update.source.read(0, update.source.size)).subarray(0, 100));
    await refused(
      weightedMean([update, { source: broken, weight: 1, label: 'site-b' }]),
      'NPZ_TRUNCATED',
      'site-b',
    );
  });
});

describe('a partial is refused', () => {
  const damage = async (change: (name: string, data: Float64Array | BigInt64Array) => void) => {
    const updates = await hardUpdates(3, 1);
    const infos = await modelInfos(updates[0]!);
    const reader = await openNpz(bufferSource(await collect(partialSum(updates, infos))));
    const tensors = [];
    for (const { name } of reader.entries) {
      const tensor = await reader.read(name);
      change(name, tensor.data as Float64Array | BigInt64Array);
      tensors.push(tensor);
    }
    const source = bufferSource(await collect(writeNpz(tensors)));
    return finishMean([{ source, label: 'combiner-2' }], infos);
  };
  const setting = (wanted: string, index: number, value: number | bigint) =>
    damage((name, data) => {
      if (name === wanted) data[index] = value as never;
    });

  it('when it is sound otherwise, but of another format', async () => {
    await refused(await setting('format', 0, 2n), 'AGG_BAD_PARTIAL', 'format is 2', 'combiner-2');
  });

  it('when its counts cannot be', async () => {
    await refused(await setting('count', 0, 0n), 'AGG_BAD_PARTIAL', '0 contributions');
    await refused(await setting('weight', 0, -5n), 'AGG_BAD_PARTIAL', '-5');
    await refused(await setting('weight', 0, 2n ** 40n), 'AGG_BAD_PARTIAL');
  });

  it('when a lane is off the grid, beyond its range, or not a number', async () => {
    const where = 'combiner-2, tensor "dense/kernel", element 1';
    for (const high of [0.1, 2 ** 52, Number.NaN, Number.POSITIVE_INFINITY]) {
      await refused(await setting('sum/dense/kernel', 2, high), 'AGG_BAD_PARTIAL', where);
    }
    for (const low of [2 ** -54, 0.125, -0.25, Number.NaN]) {
      await refused(await setting('sum/dense/kernel', 3, low), 'AGG_BAD_PARTIAL', where);
    }
    await refused(await setting('sum/counts', 0, 1n), 'AGG_BAD_PARTIAL', '"counts", element 0');
  });

  it('when it is another model’s', async () => {
    const partial = await collect(
      partialSum([await simpleUpdate([1, 2], 1)], [{ name: 'w', dtype: 'float32', shape: [2] }]),
    );
    const other = finishMean(
      [{ source: bufferSource(partial), label: 'p' }],
      [{ name: 'w', dtype: 'float32', shape: [3] }],
    );
    await refused(other, 'AGG_MISMATCH', 'shape (3, 2), found (2, 2)');
  });
});
