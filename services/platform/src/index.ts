export * from './bus/index.js';
export * from './keys/index.js';
export * from './log/index.js';
export * from './store/index.js';
export * from './transfer/index.js';
