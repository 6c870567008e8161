export { ApiClient } from './core/api-client.js';
export { publishPackage, type SignedPackage, signedPackage } from './local/publish.js';
export { applySettings, checkSpec, readSessionFile } from './local/session-file.js';
export { type SessionStart, startSession } from './local/start-session.js';
export { folderTrail, openTrail } from './local/trail-source.js';
export { type PlatformOptions, type RunningPlatform, startPlatform } from './up/platform.js';
export type { SupervisorEvent } from './up/supervisor.js';
