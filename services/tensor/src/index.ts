export type { ByteSource, DType, StreamableSource, TensorInfo } from './types.js';
