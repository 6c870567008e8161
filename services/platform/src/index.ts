export * from './bus/index.js';
export * from './keys/index.js';
export * from './lifecycle/index.js';
export * from './log/index.js';
export * from './nats-server/index.js';
export * from './net/index.js';
export * from './store/index.js';
export * from './transfer/index.js';
