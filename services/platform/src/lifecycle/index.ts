export { runService, type ServiceContext, type ServiceOptions, type ServiceProcess } from './run-service.js';
