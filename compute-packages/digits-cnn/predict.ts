import { argMaxRows, entry, tf } from '@consilium/sdk';
import { loadPixels } from './data.js';
import { buildModel, type Config, classCount, imageSize } from './model.js';

export const run = entry<Config>(async (context) => {
  const { count, pixels } = loadPixels(context.input('input'));
  const model = buildModel();
  await context.receiveModel(model);
  const x = tf.tensor4d(pixels, [count, imageSize, imageSize, 1]);
  const probabilities = await (model.predict(x) as tf.Tensor).data();
  const digits = argMaxRows(probabilities, classCount);
  context.sendPredictions(
    Array.from(digits, (digit, row) => ({
      digit,
      probabilities: Array.from(probabilities.subarray(row * classCount, (row + 1) * classCount)),
    })),
  );
});
