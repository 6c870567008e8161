export { type CombinerDeps, type RunningCombiner, startCombiner } from './combiner.js';
export {
  type CombinerConfig,
  type CombinerConfigInput,
  combinerConfigSchema,
  parseCombinerConfig,
  readCombinerConfig,
} from './config.js';
