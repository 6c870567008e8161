export { type PlatformOptions, type RunningPlatform, startPlatform } from './up/platform.js';
export type { SupervisorEvent } from './up/supervisor.js';
