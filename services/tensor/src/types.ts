/** Element types that travel in npz files. `bfloat16` is stored as `|V2`, as ml_dtypes writes it. */
export type DType =
  | 'float16'
  | 'bfloat16'
  | 'float32'
  | 'float64'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool';

/** Name, dtype and shape of one parameter, as `weights.npz` and the checks on updates see it. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major extents; `[]` for a scalar, any extent may be 0. */
  readonly shape: readonly number[];
}

/**
 * Bytes that can be read at any offset: a file, a buffer, an object in the store.
 * `read` returns exactly `length` bytes or rejects; the caller owns the returned buffer.
 */
export interface ByteSource {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * A byte source that can also be read forward once in chunks, cheaper than many range reads. `length` says how
 * much will be taken at most; a source may go on to its end all the same, the reader then stops it there.
 * The chunks belong to the consumer.
 */
export interface StreamableSource extends ByteSource {
  stream(offset?: number, length?: number): AsyncIterable<Uint8Array>;
}
