export { bufferSource } from './bytes.js';
export type { ByteOrder } from './dtype.js';
export { descrOf, dtypes, elementSize, isDType, isFloatDType, parseDescr } from './dtype.js';
export { firstNonFinite, isFiniteChunk } from './finite.js';
export {
  bfloat16ToFloat32,
  decodeBfloat16,
  decodeFloat16,
  encodeBfloat16,
  encodeFloat16,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from './half.js';
export type { NpyHeader } from './npy.js';
export { encodeNpyHeader, npyHeaderLength, parseNpyHeader, readNpy, writeNpy } from './npy.js';
export type { NpzLayout, NpzPlacement, NpzWriteOptions } from './npz-layout.js';
export { npzLayout } from './npz-layout.js';
export type { NpzLimits } from './npz-limits.js';
export { defaultNpzLimits } from './npz-limits.js';
export type { NpzEntry } from './npz-open.js';
export type { NpzReader } from './npz-reader.js';
export { openNpz } from './npz-reader.js';
export type { TensorInput } from './npz-writer.js';
export { canonicalNpz, collect, writeNpz } from './npz-writer.js';
export { byteLengthOf, elementCount, sameStructure } from './shape.js';
export type { Tensor, TensorData, TensorDataOf, TensorOf } from './tensor.js';
export { bytesOf, isDataOf, tensorFrom, typedData } from './tensor.js';
export type { ByteSource, DType, StreamableSource, TensorInfo } from './types.js';
