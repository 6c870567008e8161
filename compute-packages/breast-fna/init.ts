import { entry } from '@consilium/sdk';
import { buildModel, type Config } from './model.js';
import { backends } from './settings.js';

export const run = entry<Config>(async (context) => context.sendModel(buildModel(context.config)), {
  backends,
});
