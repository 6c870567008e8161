import { entry, tf } from '@consilium/sdk';
import { loadFeatures } from './data.js';
import { featureCount } from './features.js';
import { buildModel, type Config } from './model.js';
import { backends } from './settings.js';

export const run = entry<Config>(
  async (context) => {
    const { count, features } = loadFeatures(context.input('input'));
    const model = buildModel(context.config);
    await context.receiveModel(model);
    const x = tf.tensor2d(features, [count, featureCount]);
    const probabilities = await (model.predict(x) as tf.Tensor).data();
    context.sendPredictions(
      Array.from(probabilities, (malignant) => ({
        malignant,
        diagnosis: malignant >= 0.5 ? 'malignant' : 'benign',
      })),
    );
  },
  { backends },
);
