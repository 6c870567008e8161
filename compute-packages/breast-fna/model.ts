import { tf } from '@consilium/sdk';
import { featureCount } from './features.js';

/** Settings of a session; see package.yaml. */
export interface Config {
  readonly hidden_units: number;
  readonly local_epochs: number;
  readonly batch_size: number;
  readonly learning_rate: number;
  readonly l2: number;
}

/** 30 measurements → hidden units (ReLU) → probability that the mass is malignant. */
export function buildModel(config: Config): tf.Sequential {
  const l2 = () => tf.regularizers.l2({ l2: config.l2 });
  return tf.sequential({
    layers: [
      tf.layers.dense({
        name: 'hidden',
        units: config.hidden_units,
        activation: 'relu',
        kernelRegularizer: l2(),
        inputShape: [featureCount],
      }),
      tf.layers.dense({ name: 'malignant', units: 1, activation: 'sigmoid', kernelRegularizer: l2() }),
    ],
  });
}
