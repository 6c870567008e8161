export type { BackendChoice, BackendOptions } from './backend.js';
export { useBackend } from './backend.js';
export type { BackendName } from './backend-loaders.js';
export { backendNames } from './backend-loaders.js';
export type { Context, Metrics, Progress, SendOptions } from './context.js';
export type { CsvRecord, NumericTable } from './csv.js';
export { formatCsv, parseCsv, readNumericCsv, writeCsv } from './csv.js';
export type { EntryFunction, EntryOptions, Run } from './entry.js';
export { entries, entry } from './entry.js';
export type { BinaryCounts } from './metrics.js';
export {
  argMaxRows,
  binaryCounts,
  binaryReport,
  classReport,
  confusionMatrix,
  f1Score,
  logLoss,
  rocAuc,
} from './metrics.js';
export type { NamedArrays } from './npz.js';
export { npzToWeights, readArrays, weightsToNpz, writeArrays } from './npz.js';
export type { SiteRule } from './partition.js';
export { apportion, partitionSkewed, stratifiedHoldout } from './partition.js';
export type { Rng } from './random.js';
export { createRng, withSeededRandom } from './random.js';
export { type SiteFiles, type SiteFilesOptions, writeSiteFiles } from './site-files.js';
export type { State } from './state.js';
export type { EntryName, TaskFile } from './task.js';
export { entryNames } from './task.js';
export * as tf from './tf.js';
export type { NamedWeight, Weighted } from './weight-names.js';
export { namedWeights } from './weight-names.js';
