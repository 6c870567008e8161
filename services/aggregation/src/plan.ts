import { ConsiliumError } from '@consilium/protocol/errors';
import type { TensorInfo } from '@consilium/tensor';
import { elementCount, elementSize } from '@consilium/tensor';
import { FloatSums, isFloat, UPDATES_PER_CALL } from './sum/float-sums.js';

/** A run of elements of one tensor, in flat C order. */
export interface Piece {
  /** Index of the tensor in the model. */
  readonly tensor: number;
  readonly start: number;
  readonly count: number;
  /** Where its sums lie in the float or the integer sums; even. */
  readonly place: number;
}

/** Neighbouring pieces that are summed together: a slice of a large tensor, or a run of small ones. */
export interface Group {
  readonly pieces: readonly Piece[];
  /** Places that are taken in the float and in the integer sums. */
  readonly floats: number;
  readonly integers: number;
  /** Most bytes that one input file is read for: the elements, and room for the headers between them. */
  readonly inputBytes: number;
}

/** In which groups a model is worked through. */
export interface SumPlan {
  /** The groups in model order, made anew for each run through them: a huge model has very many. */
  groups(): Iterable<Group>;
  /** Files that are read and added together. */
  readonly filesAtOnce: number;
  readonly floats: number;
  readonly integers: number;
  /** Most bytes of a group in one input file. */
  readonly inputBytes: number;
  /** Estimate of all buffers together, in bytes. */
  readonly memoryBytes: number;
}

/** What the bound on memory is unless a caller says otherwise. */
export const defaultMemoryBytes = 96 * 2 ** 20;

/** Below this the reads would be absurdly small. */
export const leastMemoryBytes = 2 * 2 ** 20;

/** Larger reads gain nothing, and smaller groups stay in the caches. */
const MOST_ELEMENTS = 2 ** 18;
const LEAST_ELEMENTS = 1024;
const MOST_PIECES = 512;

/** An npy header and a zip header with a long name take less than this. */
const HEADER_ROOM = 512;

/**
 * Plans the sums of `files` files so that all buffers fit into `memoryBytes`, whatever the size of the model:
 * two batches of input (one in work, one being read), 16 bytes an element for the lanes, 16 for the output.
 * `bytesPerElement` of the input is the dtype's for updates and 16 for partials. Throws AGG_MEMORY.
 */
export function planSums(
  infos: readonly TensorInfo[],
  files: number,
  memoryBytes: number,
  bytesPerElement: (info: TensorInfo) => number = (info) => elementSize(info.dtype),
): SumPlan {
  if (!(memoryBytes >= leastMemoryBytes)) {
    const detail = `${memoryBytes} bytes are allowed, at least ${leastMemoryBytes} are needed.`;
    throw new ConsiliumError('AGG_MEMORY', detail, { where: 'memoryBytes' });
  }
  for (let elements = MOST_ELEMENTS; elements >= LEAST_ELEMENTS; elements /= 2) {
    const groups = () => makeGroups(infos, elements, bytesPerElement);
    let [floats, integers, inputBytes] = [0, 0, 0];
    for (const group of groups()) {
      floats = Math.max(floats, group.floats);
      integers = Math.max(integers, group.integers);
      inputBytes = Math.max(inputBytes, group.inputBytes);
    }
    const filesAtOnce = Math.min(UPDATES_PER_CALL, files);
    const used = FloatSums.bytesFor(floats) + integers * 16 + 2 * filesAtOnce * inputBytes + 2 * 8 * elements;
    if (used <= memoryBytes) return { groups, filesAtOnce, floats, integers, inputBytes, memoryBytes: used };
  }
  const detail = `${memoryBytes} bytes do not suffice for ${files} files.`;
  throw new ConsiliumError('AGG_MEMORY', detail, { where: 'memoryBytes' });
}

function* makeGroups(
  infos: readonly TensorInfo[],
  most: number,
  bytesPerElement: (info: TensorInfo) => number,
): Generator<Group> {
  let pieces: Piece[] = [];
  let floats = 0;
  let integers = 0;
  let inputBytes = 0;
  const take = (): Group => {
    const group = { pieces, floats, integers, inputBytes };
    pieces = [];
    floats = 0;
    integers = 0;
    inputBytes = 0;
    return group;
  };
  for (const [tensor, info] of infos.entries()) {
    const total = elementCount(info.shape);
    for (let start = 0, count = 0; start < total; start += count) {
      count = Math.min(most, total - start);
      if (floats + integers + count > most || pieces.length >= MOST_PIECES) {
        if (pieces.length > 0) yield take();
      }
      const places = count + (count % 2);
      pieces.push({ tensor, start, count, place: isFloat(info.dtype) ? floats : integers });
      if (isFloat(info.dtype)) floats += places;
      else integers += places;
      inputBytes += HEADER_ROOM + count * bytesPerElement(info);
    }
  }
  if (pieces.length > 0) yield take();
}
