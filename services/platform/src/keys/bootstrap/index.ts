export { type BootstrapOptions, bootstrapNats, type NatsBootstrap } from './bootstrap.js';
export {
  type ListenAddress,
  type ServerConfigOptions,
  serverConfig,
  type TlsFiles,
} from './server-config.js';
