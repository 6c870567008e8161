export { parseServiceConfig, readServiceConfig } from './service-config.js';
export { storeConfigSchema } from './store-schema.js';
