import * as core from '@tensorflow/tfjs-core';
import { type ConvShape, offsets, padInput, scatterWindows, window } from './conv.js';

/**
 * Gradient of a depthwise convolution by its filter.
 *
 * @param x [batch, …input, channels]
 * @param dy [batch, …output, channels · multiplier]
 * @returns [...filter, channels, multiplier]
 */
export function depthwiseFilterGradient(x: core.Tensor, dy: core.Tensor, shape: ConvShape): core.Tensor {
  return core.tidy(() => {
    const channels = x.shape[x.rank - 1] as number;
    const multiplier = (dy.shape[dy.rank - 1] as number) / channels;
    const padded = padInput(x, shape);
    const positions = dy.size / (channels * multiplier);
    const gradients = core.reshape(dy, [positions, channels, multiplier]);
    const parts = [...offsets(shape.filter)].map((offset) => {
      const seen = core.reshape(window(padded, offset, shape), [positions, channels, 1]);
      return core.sum(core.mul(seen, gradients), 0);
    });
    return core.reshape(core.stack(parts), [...shape.filter, channels, multiplier]);
  });
}

/**
 * Gradient of a depthwise convolution by its input.
 *
 * @param dy [batch, …output, channels · multiplier]
 * @param filter [...filter, channels, multiplier]
 * @returns [batch, …input, channels]
 */
export function depthwiseInputGradient(dy: core.Tensor, filter: core.Tensor, shape: ConvShape): core.Tensor {
  return core.tidy(() => {
    const multiplier = filter.shape[filter.rank - 1] as number;
    const channels = filter.shape[filter.rank - 2] as number;
    const positions = dy.size / (channels * multiplier);
    const gradients = core.reshape(dy, [positions, channels, multiplier]);
    const kernels = core.unstack(core.reshape(filter, [-1, 1, channels, multiplier]));
    const outShape = [...dy.shape.slice(0, -1), channels];
    function* parts() {
      for (const [index, offset] of [...offsets(shape.filter)].entries()) {
        const weighted = core.mul(gradients, kernels[index] as core.Tensor);
        yield { offset, part: core.reshape(core.sum(weighted, 2), outShape) };
      }
    }
    return scatterWindows(parts(), shape);
  });
}
