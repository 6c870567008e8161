import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bufferSource, collect, openNpz, type TensorInput, writeNpz } from '@consilium/tensor';
import { useBackend } from './backend.js';
import { npzToWeights, weightsToNpz } from './npz.js';
import * as tf from './tf.js';

const folder = mkdtempSync(join(tmpdir(), 'sdk-npz-'));
after(() => rmSync(folder, { recursive: true }));

function model(units = 2): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.dense({ name: 'a', units, inputShape: [3] }),
      tf.layers.batchNormalization({ name: 'n' }),
      tf.layers.dense({ name: 'b', units: 1 }),
    ],
  });
}

async function file(name: string, tensors: TensorInput[]): Promise<string> {
  const path = join(folder, name);
  writeFileSync(path, await collect(writeNpz(tensors)));
  return path;
}

const zeros = (name: string, shape: number[]): TensorInput => ({
  name,
  dtype: 'float32',
  shape,
  data: new Float32Array(shape.reduce((product, extent) => product * extent, 1)),
});

describe('Weights in npz files', () => {
  before(() => useBackend('cpu'));

  test('come back bit by bit, moving statistics included', async () => {
    const source = model();
    const path = join(folder, 'one.npz');
    await weightsToNpz(source, path);
    const target = model();
    await npzToWeights(target, path);
    const again = join(folder, 'two.npz');
    await weightsToNpz(target, again);
    assert.deepEqual(readFileSync(again), readFileSync(path));
    const reader = await openNpz(bufferSource(readFileSync(path)));
    assert.deepEqual(
      reader.entries.slice(2, 6).map(({ name }) => name),
      ['n/gamma', 'n/beta', 'n/moving_mean', 'n/moving_variance'],
    );
  });

  test('are found by name, whatever their order in the file', async () => {
    const path = await file('order.npz', [
      ...['n/moving_variance', 'n/moving_mean', 'n/beta', 'n/gamma', 'a/bias'].map((name) =>
        zeros(name, [2]),
      ),
      { name: 'b/bias', dtype: 'float32', shape: [1], data: Float32Array.of(7) },
      zeros('a/kernel', [3, 2]),
      zeros('b/kernel', [2, 1]),
    ]);
    const target = model();
    await npzToWeights(target, path);
    assert.equal(target.layers[2]?.getWeights()[1]?.dataSync()[0], 7);
  });

  test('with numbered keys go by position, and leave with the same keys', async () => {
    const shapes = [[3, 2], [2], [2], [2], [2], [2], [2, 1], [1]];
    const path = await file(
      'numbered.npz',
      shapes.map((shape, index) => zeros(String(index), shape)),
    );
    const target = model();
    await npzToWeights(target, path);
    const out = join(folder, 'numbered-out.npz');
    await weightsToNpz(target, out);
    const reader = await openNpz(bufferSource(readFileSync(out)));
    assert.deepEqual(
      reader.entries.map(({ name }) => name),
      shapes.map((_, index) => String(index)),
    );
  });

  test('that lack a weight, bring one too many or have another shape change nothing', async () => {
    const path = join(folder, 'wide.npz');
    await weightsToNpz(model(5), path);
    const short = await file('short.npz', [zeros('a/kernel', [3, 2])]);
    const target = model();
    const before = target.layers[0]?.getWeights()[0]?.dataSync().slice();
    await assert.rejects(npzToWeights(target, path), /a\/kernel is float32 \[3,5\] in the file/);
    await assert.rejects(npzToWeights(target, short), /The file lacks a\/bias, n\/gamma/);
    assert.deepEqual(target.layers[0]?.getWeights()[0]?.dataSync(), before);
  });

  test('that are not there are named', async () => {
    await assert.rejects(npzToWeights(model(), join(folder, 'none.npz')), { code: 'SDK_DATA_MISSING' });
  });

  test('that are not finite are refused by name', async () => {
    const source = model();
    source.layers[0]?.setWeights([tf.fill([3, 2], Number.NaN), tf.zeros([2])]);
    await assert.rejects(weightsToNpz(source, join(folder, 'nan.npz')), /Element 0 of a\/kernel is NaN/);
  });
});
