import { classReport, entry, tf } from '@consilium/sdk';
import { loadImages, validationFile } from './data.js';
import { buildModel, type Config, classCount, imageSize } from './model.js';

export const run = entry<Config>(async (context) => {
  const images = loadImages(validationFile(context.dataDir));
  const model = buildModel();
  await context.receiveModel(model);
  const x = tf.tensor4d(images.pixels, [images.count, imageSize, imageSize, 1]);
  const probabilities = await (model.predict(x) as tf.Tensor).data();
  context.sendMetrics(images.count, classReport(probabilities, images.labels, classCount));
});
