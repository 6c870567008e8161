export { claimProblems, isClaimGenuine, weightedMetrics } from './claims.js';
export { documentBytes, makeHeads, makeManifest, modelIdOf, readHeads, readManifest } from './documents.js';
export { digestOfObject, readDocument, storeTrail, type TrailSource } from './source.js';
export { type VerifyOptions, type VerifyResult, verifySession } from './verify.js';
export { type TrailFinding, type TrailModel, type Walk, walkSession } from './walk.js';
