export { type StoreServer, type StoreServerOptions, startStoreServer } from './server.js';
