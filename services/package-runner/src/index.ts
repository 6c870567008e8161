export { type PackedPackage, packPackage, verifyPackage } from './archive.js';
export { type BuiltPackage, buildPackage } from './build.js';
export { checkPackage, type Finding } from './check.js';
export { type Config, parseSettings, resolveConfig } from './config.js';
export type { ConfigSchema } from './config-schema.js';
export {
  type Accelerator,
  contractVersion,
  type EntryName,
  entryNames,
  type Isolation,
  type TaskDone,
  type TaskEvent,
  type TaskFailed,
  type TaskFile,
  type TaskReport,
  type TaskRequest,
  type TaskResult,
} from './contract.js';
export {
  type AllowedPackages,
  type PackageContent,
  type PackageManifest,
  packageContentSchema,
  packageManifestSchema,
  signPackage,
  verifyManifest,
} from './manifest.js';
export { requireOwnManifest } from './own-manifest.js';
export { defaultPackageLimits, type PackageLimits } from './package-files.js';
export { type PackageYaml, packageYamlSchema, parsePackageYaml } from './package-yaml.js';
export type { RunOptions, SandboxPolicy } from './preparation.js';
export { runTask } from './run.js';
export { type RunnablePackage, requireSdk, runnableFromFolder, runnableFromManifest } from './runnable.js';
export {
  chooseIsolation,
  detectIsolation,
  type IsolationDemand,
  type IsolationStatus,
} from './sandbox/detect.js';
export { resolveAccelerator, resolveLimits, type SiteLimits, type TaskLimits } from './sandbox/limits.js';
export { findSdk, linkSdk, type SdkLocation } from './sandbox/sdk-link.js';
export { formatSize, parseDuration, parseSize } from './units.js';
export { cachedPackage, removeLeftovers, type UnpackedPackage, unpackPackage } from './unpack.js';
export { inRange, isVersionRange } from './version-range.js';
export { WarmWorkers } from './warm-workers.js';
