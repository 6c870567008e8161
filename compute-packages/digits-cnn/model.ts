import { tf } from '@consilium/sdk';

/** Settings of a session; see package.yaml. */
export interface Config {
  readonly local_epochs: number;
  readonly batch_size: number;
  readonly learning_rate: number;
}

/** Pixels on a side. */
export const imageSize = 8;
export const pixelCount = imageSize * imageSize;
export const classCount = 10;

/**
 * [8, 8, 1] → convolution of 8 filters → pooling → convolution of 16 filters → ten probabilities.
 * 3,818 parameters.
 */
export function buildModel(): tf.Sequential {
  const convolution = (name: string, filters: number) => ({
    name,
    filters,
    kernelSize: 3,
    padding: 'same' as const,
    activation: 'relu' as const,
  });
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ ...convolution('conv1', 8), inputShape: [imageSize, imageSize, 1] }),
      tf.layers.maxPooling2d({ name: 'pool1', poolSize: 2 }),
      tf.layers.conv2d(convolution('conv2', 16)),
      tf.layers.flatten({ name: 'flatten' }),
      tf.layers.dense({ name: 'digit', units: classCount, activation: 'softmax' }),
    ],
  });
}
