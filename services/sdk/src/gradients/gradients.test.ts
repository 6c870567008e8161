import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { useBackend } from '../backend.js';
import { type BackendName, backendNames } from '../backend-loaders.js';
import { gradientError } from '../testing/finite-differences.js';
import * as tf from '../tf.js';

// Smooth values without symmetry; the same on every backend.
function values(shape: number[], phase: number): tf.Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + phase) * 0.8 + 0.1 * Math.cos(0.3 * i)),
    shape,
  );
}

/** All different, at least 0.1 apart, so that a small step changes no maximum. */
function distinct(shape: number[]): tf.Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => ((i * 37) % 97) / 10 - 4),
    shape,
  );
}

/** A loss whose gradient differs from element to element. */
function loss(y: tf.Tensor): tf.Tensor {
  return tf.sum(tf.mul(y, values(y.shape, 0.4)));
}

interface Case {
  readonly name: string;
  readonly at: () => tf.Tensor;
  readonly loss: (x: tf.Tensor) => tf.Tensor;
}

function convolutions(backend: BackendName): Case[] {
  const settings = [
    { stride: 1, pad: 'same', size: 3, filter: 3, channels: 2 },
    { stride: 1, pad: 'valid', size: 5, filter: 3, channels: 3 },
    { stride: 2, pad: 'same', size: 6, filter: 3, channels: 2 },
    { stride: 2, pad: 'same', size: 5, filter: 2, channels: 1 },
    { stride: 2, pad: 'valid', size: 6, filter: 3, channels: 2 },
    { stride: 3, pad: 'valid', size: 8, filter: 2, channels: 1 },
    { stride: 1, pad: 1, size: 4, filter: 3, channels: 2 },
  ] as const;
  // libtensorflow takes `same` and `valid` only, and says so.
  const taken = settings.filter(({ pad }) => typeof pad === 'string' || !backend.startsWith('tfjs-node'));
  return taken.flatMap(({ stride, pad, size, filter, channels }) => {
    const x = () => values([2, size, size + 1, channels], 0) as tf.Tensor4D;
    const w = () => values([filter, filter, channels, 3], 1) as tf.Tensor4D;
    const d = () => values([filter, filter, channels, 2], 2) as tf.Tensor4D;
    const name = `stride ${stride}, ${pad} padding, ${size}x${size + 1}x${channels}, filter ${filter}`;
    return [
      {
        name: `conv2d by filter: ${name}`,
        at: w,
        loss: (v: tf.Tensor) => loss(tf.conv2d(x(), v as tf.Tensor4D, stride, pad)),
      },
      {
        name: `conv2d by input: ${name}`,
        at: x,
        loss: (v: tf.Tensor) => loss(tf.conv2d(v as tf.Tensor4D, w(), stride, pad)),
      },
      {
        name: `depthwise by filter: ${name}`,
        at: d,
        loss: (v: tf.Tensor) => loss(tf.depthwiseConv2d(x(), v as tf.Tensor4D, stride, pad)),
      },
      {
        name: `depthwise by input: ${name}`,
        at: x,
        loss: (v: tf.Tensor) => loss(tf.depthwiseConv2d(v as tf.Tensor4D, d(), stride, pad)),
      },
    ];
  });
}

function volumes(): Case[] {
  const settings = [
    { stride: 1, pad: 'same' },
    { stride: 2, pad: 'same' },
    { stride: 1, pad: 'valid' },
    { stride: 2, pad: 'valid' },
  ] as const;
  return settings.flatMap(({ stride, pad }) => {
    const x = () => values([1, 4, 5, 4, 2], 0) as tf.Tensor5D;
    const w = () => values([3, 3, 3, 2, 2], 1) as tf.Tensor5D;
    const name = `stride ${stride}, ${pad} padding`;
    return [
      {
        name: `conv3d by filter: ${name}`,
        at: w,
        loss: (v: tf.Tensor) => loss(tf.conv3d(x(), v as tf.Tensor5D, stride, pad)),
      },
      {
        name: `conv3d by input: ${name}`,
        at: x,
        loss: (v: tf.Tensor) => loss(tf.conv3d(v as tf.Tensor5D, w(), stride, pad)),
      },
    ];
  });
}

function others(): Case[] {
  const image = () => values([2, 4, 4, 3], 0) as tf.Tensor4D;
  const separate = () => distinct([2, 4, 4, 3]);
  const rows = () => values([3, 4], 0) as tf.Tensor2D;
  return [
    { name: 'max pooling', at: separate, loss: (v) => loss(tf.maxPool(v as tf.Tensor4D, 2, 2, 'valid')) },
    { name: 'average pooling', at: image, loss: (v) => loss(tf.avgPool(v as tf.Tensor4D, 2, 2, 'same')) },
    {
      name: 'max pooling that overlaps',
      at: separate,
      loss: (v) => loss(tf.maxPool(v as tf.Tensor4D, 3, 1, 'same')),
    },
    {
      name: 'matMul',
      at: rows,
      loss: (v) => loss(tf.matMul(v as tf.Tensor2D, values([4, 3], 3) as tf.Tensor2D)),
    },
    { name: 'softmax', at: rows, loss: (v) => loss(tf.softmax(v)) },
    { name: 'sigmoid', at: rows, loss: (v) => loss(tf.sigmoid(v)) },
    { name: 'softplus', at: rows, loss: (v) => loss(tf.softplus(v)) },
    {
      name: 'batch normalisation by input',
      at: image,
      loss: (v) =>
        loss(
          tf.batchNorm4d(
            v as tf.Tensor4D,
            values([3], 1) as tf.Tensor1D,
            tf.tensor1d([0.5, 1, 2]),
            values([3], 2) as tf.Tensor1D,
            values([3], 3) as tf.Tensor1D,
          ),
        ),
    },
    {
      name: 'batch normalisation by batch moments',
      at: image,
      loss: (v) => {
        const { mean, variance } = tf.moments(v, [0, 1, 2]);
        return loss(tf.div(tf.sub(v, mean), tf.sqrt(tf.add(variance, 0.1))));
      },
    },
    {
      name: 'transposed convolution by filter',
      at: () => values([3, 3, 2, 3], 1),
      loss: (v) => loss(tf.conv2dTranspose(image(), v as tf.Tensor4D, [2, 8, 8, 2], 2, 'same')),
    },
  ];
}

// Each backend in turn; a missing one says so. The native ones come last because they replace kernels of
// the same process.
const order: BackendName[] = [...backendNames].reverse();
for (const name of order) {
  describe(`Gradients on ${name} agree with finite differences`, () => {
    for (const { name: what, at, loss: f } of [...convolutions(name), ...volumes(), ...others()]) {
      test(what, async (t) => {
        // Asked for here and not before: newer Node versions start the first suite while this file is still
        // loading, and the backend is one for the whole process.
        const missing = await useBackend(name).then(
          () => undefined,
          (error: Error) => `needs the ${name} backend: ${error.message}`,
        );
        if (missing !== undefined) return t.skip(missing);
        const point = at();
        // WebGPU waits for the device at every reading; on a software one a full comparison takes minutes.
        const error = await gradientError(f, point, name === 'webgpu' ? 8 : point.size);
        assert.ok(error < 5e-3, `relative error ${error}`);
      });
    }
  });
}

describe('The gradients supplied for wasm', () => {
  test('agree with those of the plain backend on a larger convolution', async () => {
    const gradient = async (backend: BackendName) => {
      await useBackend(backend);
      const x = values([3, 17, 13, 5], 0) as tf.Tensor4D;
      const w = values([5, 3, 5, 7], 1) as tf.Tensor4D;
      return tf
        .grad((f: tf.Tensor) => loss(tf.conv2d(x, f as tf.Tensor4D, [2, 1], 'same')))(w)
        .data();
    };
    const [plain, wasm] = [await gradient('cpu'), await gradient('wasm')];
    const largest = Math.max(...plain.map(Math.abs));
    for (const [i, value] of plain.entries())
      assert.ok(Math.abs(value - (wasm[i] as number)) < 1e-4 * largest);
  });

  test('leave no tensors behind', async () => {
    await useBackend('wasm');
    const x = values([2, 6, 6, 2], 0) as tf.Tensor4D;
    const w = values([3, 3, 2, 3], 1) as tf.Tensor4D;
    const d = values([3, 3, 2, 2], 1) as tf.Tensor4D;
    const step = () =>
      tf.tidy(() => {
        tf.grads((a: tf.Tensor, b: tf.Tensor) =>
          loss(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 2, 'same')),
        )([x, w]);
        tf.grads((a: tf.Tensor, b: tf.Tensor) =>
          loss(tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'valid')),
        )([x, d]);
      });
    step();
    const before = tf.memory();
    for (let i = 0; i < 50; i++) step();
    assert.equal(tf.memory().numTensors, before.numTensors);
    assert.equal(tf.memory().numDataBuffers, before.numDataBuffers);
  });
});
