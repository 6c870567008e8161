export { downloadToFile } from './download.js';
export type * from './types.js';
export { uploadFile } from './upload.js';
