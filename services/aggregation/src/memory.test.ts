import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteSource, TensorInfo } from '@consilium/tensor';
import { bufferSource, collect, npzLayout, tensorFrom } from '@consilium/tensor';
import { finishMean, partialSum, weightedMean } from './mean.js';
import { planSums } from './plan.js';
import { sourceOf } from './testing/models.js';

/** Counts what is asked for; a buffer counts until the next batch of reads has been waited for. */
class Meter {
  readonly largest = { read: 0, outstanding: 0, reads: 0 };
  #outstanding = 0;

  wrap(source: ByteSource): ByteSource {
    return {
      size: source.size,
      read: async (offset, length) => {
        this.#outstanding += length;
        this.largest.reads++;
        this.largest.read = Math.max(this.largest.read, length);
        this.largest.outstanding = Math.max(this.largest.outstanding, this.#outstanding);
        await new Promise((resolve) => setImmediate(resolve));
        this.#outstanding -= length;
        return source.read(offset, length);
      },
    };
  }
}

async function largeSource(elements: number): Promise<ByteSource> {
  const values = Float32Array.from({ length: elements }, (_, i) => (i % 1000) / 7);
  return sourceOf([tensorFrom('w', 'float32', [elements], values)]);
}

describe('memory', () => {
  it('holds at most two batches of input, far less than the models, whatever their number', async () => {
    const memoryBytes = 4 * 2 ** 20;
    const source = await largeSource(1_000_000);
    for (const clients of [7, 40]) {
      const meter = new Meter();
      const updates = Array.from({ length: clients }, (_, i) => {
        return { source: meter.wrap(source), weight: i + 1, label: `site-${i}` };
      });
      const infos: TensorInfo[] = [{ name: 'w', dtype: 'float32', shape: [1_000_000] }];
      const partial = bufferSource(await collect(partialSum(updates, infos, { memoryBytes })));
      assert.ok(2 * meter.largest.outstanding <= memoryBytes, JSON.stringify(meter.largest));
      const again = new Meter();
      const partials = Array.from({ length: 3 }, () => ({ source: again.wrap(partial), label: 'p' }));
      await collect(finishMean(partials, infos, { memoryBytes }));
      assert.ok(2 * again.largest.outstanding <= memoryBytes, JSON.stringify(again.largest));
    }
  });

  it('is planned within the bound for every size of model and number of files', () => {
    for (const extent of [1, 10_000, 10_000_000, 200_000_000]) {
      for (const files of [1, 5, 10_000]) {
        for (const memoryBytes of [2 * 2 ** 20, 16 * 2 ** 20, 96 * 2 ** 20]) {
          const shape = [extent];
          const infos: TensorInfo[] = [
            { name: 'w', dtype: 'float64', shape },
            { name: 'n', dtype: 'int64', shape },
          ];
          const plan = planSums(infos, files, memoryBytes);
          assert.ok(plan.memoryBytes <= memoryBytes);
          let elements = 0;
          for (const group of plan.groups()) {
            const input = 2 * plan.filesAtOnce * group.inputBytes;
            assert.ok(input + 16 * (plan.floats + plan.integers) <= memoryBytes);
            for (const piece of group.pieces) elements += piece.count;
          }
          assert.equal(elements, 2 * extent);
        }
      }
    }
  });

  it('is spent on few reads where tensors are small: one a file for hundreds of them', async () => {
    const tensors = Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0
        ? tensorFrom(`layer${i}/steps`, 'int64', [], [BigInt(i)])
        : tensorFrom(`layer${i}/bias`, 'float32', [16], new Float32Array(16).fill(i)),
    );
    const source = await sourceOf(tensors);
    const opening = new Meter();
    await collect(weightedMean([{ source: opening.wrap(source), weight: 1, label: 'a' }]));
    const { dataOffset } = npzLayout(tensors).entries[0]!;
    assert.ok(opening.largest.read > source.size / 2 - dataOffset);
    assert.ok(opening.largest.reads < 20, `${opening.largest.reads} reads`);
  });
});
