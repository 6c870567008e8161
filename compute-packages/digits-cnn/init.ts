import { entry } from '@consilium/sdk';
import { buildModel } from './model.js';

export const run = entry(async (context) => context.sendModel(buildModel()), { backends: ['wasm', 'cpu'] });
