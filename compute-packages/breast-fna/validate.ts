import { binaryReport, entry, tf } from '@consilium/sdk';
import { loadExamples, validationFile } from './data.js';
import { featureCount } from './features.js';
import { buildModel, type Config } from './model.js';
import { backends } from './settings.js';

export const run = entry<Config>(
  async (context) => {
    const examples = loadExamples(validationFile(context.dataDir));
    const model = buildModel(context.config);
    await context.receiveModel(model);
    const x = tf.tensor2d(examples.features, [examples.count, featureCount]);
    const probabilities = await (model.predict(x) as tf.Tensor).data();
    context.sendMetrics(examples.count, binaryReport(probabilities, examples.labels));
  },
  { backends },
);
