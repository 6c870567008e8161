import { join } from 'node:path';
import { entry, tf } from '@consilium/sdk';
import { loadExamples } from './data.js';
import { featureCount } from './features.js';
import { buildModel, type Config } from './model.js';
import { backends } from './settings.js';

export const run = entry<Config>(
  async (context) => {
    const { config } = context;
    const examples = loadExamples(join(context.dataDir, 'train.csv'));
    const model = buildModel(config);
    await context.receiveModel(model);

    model.compile({
      optimizer: tf.train.sgd(config.learning_rate),
      loss: 'binaryCrossentropy',
      metrics: ['accuracy'],
    });
    const x = tf.tensor2d(examples.features, [examples.count, featureCount]);
    const y = tf.tensor2d(examples.labels, [examples.count, 1]);
    let last = { loss: 0, accuracy: 0 };
    await model.fit(x, y, {
      epochs: config.local_epochs,
      batchSize: config.batch_size,
      verbose: 0,
      yieldEvery: 'never',
      callbacks: {
        onEpochEnd: async (epoch, logs) => {
          last = { loss: logs?.loss ?? Number.NaN, accuracy: logs?.acc ?? Number.NaN };
          const epochs = config.local_epochs;
          context.progress({ step: epoch + 1, steps: epochs, epoch: epoch + 1, epochs, metrics: last });
        },
      },
    });
    await context.sendModel(model, { numExamples: examples.count, metrics: last });
  },
  { backends },
);
