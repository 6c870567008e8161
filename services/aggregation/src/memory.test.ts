import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteSource, TensorInfo } from '@consilium/tensor';
import { bufferSource, collect, npzLayout, tensorFrom } from '@consilium/tensor';
import { finishMean, modelInfos, partialSum, weightedMean } from './mean.js';
import type { FillingSource } from './model-file.js';
import { planSums } from './plan.js';
import { hardUpdates, sourceOf } from './testing/models.js';

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

describe('a source that reads into a buffer', () => {
  it('gives the same bytes, of updates and of partials, and is not asked for buffers of its own', async () => {
    const updates = await hardUpdates(13, 21);
    const infos = await modelInfos(updates[0]!);
    const filling = (source: ByteSource) => {
      const counts = { filled: 0, readAfterOpening: 0 };
      const wrapped: FillingSource = {
        size: source.size,
        read(offset, length) {
          if (counts.filled > 0) counts.readAfterOpening++;
          return source.read(offset, length);
        },
        async readInto(offset, target) {
          counts.filled++;
          target.set(await source.read(offset, target.length));
        },
      };
      return { wrapped, counts };
    };
    const plain = await collect(partialSum(updates, infos));
    // Every third one reads the ordinary way, among the others.
    const each = updates.map(({ source }) => filling(source));
    const mixed = updates.map((update, i) =>
      i % 3 === 0 ? update : { ...update, source: each[i]!.wrapped },
    );
    assert.deepEqual(await collect(partialSum(mixed, infos)), plain);
    assert.ok(each.every(({ counts }, i) => counts.filled === (i % 3 === 0 ? 0 : 1)));
    assert.ok(each.every(({ counts }) => counts.readAfterOpening === 0));
    const partial = bufferSource(plain);
    const other = filling(partial);
    assert.deepEqual(
      await collect(finishMean([{ source: other.wrapped, label: 'p' }], infos)),
      await collect(finishMean([{ source: partial, label: 'p' }], infos)),
    );
    assert.equal(other.counts.filled, 1);
  });

  it('keeps what is being read apart from what is being added, over many slices', async () => {
    const memoryBytes = 2 * 2 ** 20;
    const sources = await Promise.all(
      Array.from({ length: 15 }, (_, k) => {
        const values = Float32Array.from({ length: 50_001 }, (_, i) => Math.fround(Math.sin(i * (k + 2))));
        return sourceOf([tensorFrom('w', 'float32', [50_001], values)]);
      }),
    );
    const plain = sources.map((source, i) => ({ source, weight: i + 1, label: `site-${i}` }));
    const filled = plain.map((update) => {
      const { source } = update;
      const wrapped: FillingSource = {
        size: source.size,
        read: (offset, length) => source.read(offset, length),
        async readInto(offset, target) {
          // A file may fill its buffer at any moment from here on.
          target.fill(0xff);
          const bytes = await source.read(offset, target.length);
          await new Promise((resolve) => setImmediate(resolve));
          target.set(bytes);
        },
      };
      return { ...update, source: wrapped };
    });
    const options = { memoryBytes };
    assert.deepEqual(
      await collect(weightedMean(filled, options)),
      await collect(weightedMean(plain, options)),
    );
  });
});
