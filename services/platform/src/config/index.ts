export { type Environment, type Overlaid, variableOf, withEnvironment } from './environment.js';
export { parseServiceConfig, readServiceConfig, readServiceConfigWithEnvironment } from './service-config.js';
export { storeConfigSchema } from './store-schema.js';
