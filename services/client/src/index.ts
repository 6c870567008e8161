export type { AuditLine } from './audit/line.js';
export { type AuditEvent, type AuditLog, openAudit } from './audit/log.js';
export { type AuditSummary, verifyAudit } from './audit/verify.js';
export { type ConfigOverrides, type LoadedConfig, loadClientConfig } from './config/load.js';
export { type PackageFacts, type Permission, permit, type SiteFacts } from './policy.js';
export { lookAround, type Site } from './site/facts.js';
export { type ClientDeps, type RunningClient, startClient } from './start.js';
export { type StateFolders, stateFolders } from './state/folders.js';
