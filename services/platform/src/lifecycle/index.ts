export { type FolderLock, type FolderLockOptions, lockFolder } from './folder-lock.js';
export { replaceFile } from './replace-file.js';
export { runService, type ServiceContext, type ServiceOptions, type ServiceProcess } from './run-service.js';
export { type ServiceMain, serviceMain } from './service-main.js';
