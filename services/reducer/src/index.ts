export type { Access, GuardedRoute } from './api/auth.js';
export { type AuditLine, brokenAt, hashOf } from './audit.js';
export {
  type ReducerConfig,
  type ReducerConfigInput,
  readReducerConfig,
  reducerConfigSchema,
} from './config.js';
export { type ReducerDeps, type RunningReducer, startReducer } from './start.js';
