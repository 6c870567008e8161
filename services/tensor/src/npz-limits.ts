import { defaultMaxHeaderBytes } from './npy.js';

/** What a file may ask of its reader. Every one is checked before memory is spent on it. */
export interface NpzLimits {
  /** Tensors in a file. */
  readonly maxEntries: number;
  /** Bytes of the central directory, which is held in memory while the file is opened. */
  readonly maxDirectoryBytes: number;
  /** Bytes of an entry's name. */
  readonly maxNameBytes: number;
  /** Bytes of an npy header. */
  readonly maxHeaderBytes: number;
  /** Bytes of all entries together, once they are inflated. */
  readonly maxTotalBytes: number;
  /** Bytes of a tensor that `read` (or a stream that has to turn Fortran order round) holds in memory. */
  readonly maxTensorBytes: number;
  /** Inflated bytes for each deflated one. Deflate itself cannot do more than 1,032, which zeros reach. */
  readonly maxDeflateRatio: number;
  /** Bytes of one chunk of a stream; two are in memory at a time. */
  readonly chunkBytes: number;
}

export const defaultNpzLimits: NpzLimits = Object.freeze({
  maxEntries: 65_536,
  maxDirectoryBytes: 16 * 2 ** 20,
  maxNameBytes: 1_024,
  maxHeaderBytes: defaultMaxHeaderBytes,
  maxTotalBytes: 2 ** 40,
  maxTensorBytes: 2 ** 32,
  maxDeflateRatio: 1_040,
  chunkBytes: 2 ** 20,
});
