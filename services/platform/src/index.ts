export * from './store/index.js';
export * from './transfer/index.js';
