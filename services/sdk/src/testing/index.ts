export type { FederationRequest } from './federation.js';
export { simulateFederation, writeMean } from './federation.js';
export { gradientError } from './finite-differences.js';
export type { EntryRequest, EntryResult } from './run-entry.js';
export { readResult, runEntry, writeTask } from './run-entry.js';
