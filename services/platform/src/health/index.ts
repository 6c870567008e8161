export { type HealthAddress, type HealthServer, type HealthState, serveHealth } from './serve.js';
