import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { useBackend } from './backend.js';
import * as tf from './tf.js';
import { namedWeights } from './weight-names.js';

function convolutional(): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ name: 'conv1', filters: 2, kernelSize: 3, inputShape: [8, 8, 1] }),
      tf.layers.batchNormalization({ name: 'bn1' }),
      tf.layers.flatten(),
      tf.layers.dense({ name: 'out', units: 1 }),
    ],
  });
}

const names = (model: Parameters<typeof namedWeights>[0]) => namedWeights(model).map(({ name }) => name);

describe('Names of weights', () => {
  before(() => useBackend('cpu'));

  test('follow the layers, as in Keras, not trainable ones first', () => {
    assert.deepEqual(names(convolutional()), [
      'conv1/kernel',
      'conv1/bias',
      'bn1/gamma',
      'bn1/beta',
      'bn1/moving_mean',
      'bn1/moving_variance',
      'out/kernel',
      'out/bias',
    ]);
  });

  test('are the same for the second model of a process', () => {
    const first = names(convolutional());
    assert.deepEqual(names(convolutional()), first);
  });

  test('do not depend on how many unnamed layers were made before', () => {
    const build = () =>
      tf.sequential({
        layers: [tf.layers.dense({ units: 2, inputShape: [3] }), tf.layers.dense({ units: 1 })],
      });
    build();
    assert.deepEqual(names(build()), ['dense/kernel', 'dense/bias', 'dense_1/kernel', 'dense_1/bias']);
  });

  test('keep the order of a layer whose weights are frozen', () => {
    const model = convolutional();
    const expected = names(model);
    for (const layer of model.layers) layer.trainable = false;
    assert.deepEqual(names(model), expected);
  });

  test('cover recurrent and nested layers', () => {
    const inner = tf.sequential({
      name: 'inner',
      layers: [tf.layers.dense({ name: 'mix', units: 3, inputShape: [4] })],
    });
    const model = tf.sequential({
      layers: [
        inner,
        tf.layers.reshape({ targetShape: [3, 1] }),
        tf.layers.bidirectional({
          name: 'read',
          layer: tf.layers.lstm({ name: 'cell', units: 2 }) as never,
          mergeMode: 'concat',
        }),
      ],
    });
    assert.deepEqual(names(model), [
      'mix/kernel',
      'mix/bias',
      ...['kernel', 'recurrent_kernel', 'bias'].map((weight) => `read/forward_cell/${weight}`),
      ...['kernel', 'recurrent_kernel', 'bias'].map((weight) => `read/backward_cell/${weight}`),
    ]);
  });

  test('put the name of its group before each weight of a group of models', () => {
    const group = { generator: convolutional(), scale: tf.variable(tf.scalar(1)) };
    assert.equal(names(group)[0], 'generator/conv1/kernel');
    assert.equal(names(group).at(-1), 'scale');
  });

  test('must differ: two layers of one name are refused', () => {
    const layer = () =>
      tf.sequential({ layers: [tf.layers.dense({ name: 'same', units: 1, inputShape: [1] })] });
    const model = tf.sequential({ layers: [layer(), layer()] });
    assert.throws(() => namedWeights(model), { code: 'SDK_WEIGHTS_MISMATCH' });
  });
});
