import { join } from 'node:path';
import { entry, tf } from '@consilium/sdk';
import { loadImages } from './data.js';
import { buildModel, type Config, classCount, imageSize } from './model.js';

export const run = entry<Config>(async (context) => {
  const { config } = context;
  const images = loadImages(join(context.dataDir, 'train.csv'));
  const model = buildModel();
  await context.receiveModel(model);

  model.compile({
    optimizer: tf.train.adam(config.learning_rate),
    loss: 'categoricalCrossentropy',
    metrics: ['accuracy'],
  });
  const x = tf.tensor4d(images.pixels, [images.count, imageSize, imageSize, 1]);
  const y = tf.oneHot(tf.tensor1d(images.labels, 'int32'), classCount);
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
  await context.sendModel(model, { numExamples: images.count, metrics: last });
});
