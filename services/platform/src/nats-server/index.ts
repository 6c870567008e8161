export { natsServerArgs } from './args.js';
export {
  defaultCacheDir,
  type FindOptions,
  type FoundNatsServer,
  findNatsServer,
  type NatsServerOrigin,
} from './find.js';
export { clearPorts, type NatsAddresses, readAddresses } from './ports.js';
export { natsWrapper, spawnNatsServer } from './spawn.js';
export { isAtLeast, parseVersion, type Version } from './version.js';
