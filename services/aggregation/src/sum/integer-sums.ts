import type { DType } from '@consilium/tensor';
import { elementSize } from '@consilium/tensor';

export type IntegerDType = Exclude<DType, 'float16' | 'bfloat16' | 'float32' | 'float64'>;

export interface WeightedIntegers {
  readonly dtype: IntegerDType;
  /** Little-endian elements, any alignment. */
  readonly bytes: Uint8Array;
  /** Whole number from 1 to 2^31. */
  readonly weight: number;
}

/** Elements that are summed as plain numbers before they are folded into the wide sums. */
const CHUNK = 4096;

/**
 * Exact sums of weighted integers, 128 bits an element: two int64 lanes, high·2^64 + low with low unsigned.
 * 10,000 terms of 2^31 · 2^64 stay below 2^109. Owns 16 bytes an element.
 */
export class IntegerSums {
  readonly capacity: number;
  /** Pairs (high, low), two's complement. */
  readonly #pairs: BigInt64Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#pairs = new BigInt64Array(2 * capacity);
  }

  /** Sets the first `length` sums to zero. */
  clear(length: number): void {
    this.#pairs.fill(0n, 0, 2 * length);
  }

  /** Adds updates of the same dtype to the sums `place` … `place + length`. */
  add(batch: readonly WeightedIntegers[], place: number, length: number): void {
    for (const group of exactGroups(batch)) {
      if (group.length > 1) this.#addAsNumbers(group, place, length);
      else this.#addOne(group[0]!, place, length);
    }
  }

  /** Sums a group in float64, where every intermediate is an integer below 2^53, then adds it as one BigInt. */
  #addAsNumbers(group: readonly WeightedIntegers[], place: number, length: number): void {
    const sums = new Float64Array(Math.min(length, CHUNK));
    const readers = group.map(({ dtype, bytes }) => smallReader(dtype, bytes));
    for (let start = 0; start < length; start += CHUNK) {
      const count = Math.min(CHUNK, length - start);
      sums.fill(0);
      for (const [j, read] of readers.entries()) {
        const { weight } = group[j]!;
        for (let i = 0; i < count; i++) sums[i] = sums[i]! + weight * read(start + i);
      }
      for (let i = 0; i < count; i++) {
        if (sums[i] !== 0) this.#increase(place + start + i, BigInt(sums[i]!));
      }
    }
  }

  #addOne({ dtype, bytes, weight }: WeightedIntegers, place: number, length: number): void {
    const factor = BigInt(weight);
    const read = reader(dtype, bytes);
    for (let i = 0; i < length; i++) this.#increase(place + i, factor * read(i));
  }

  #increase(element: number, by: bigint): void {
    const sum = joined(this.#pairs, element) + by;
    this.#pairs[2 * element] = sum >> 64n;
    this.#pairs[2 * element + 1] = BigInt.asIntN(64, sum);
  }

  /**
   * Adds lanes of a partial, pairs (high, low), from `place` on. Returns the index of the first sum beyond
   * `bound` in magnitude, or −1.
   */
  addLanes(pairs: BigInt64Array, bound: bigint, place: number): number {
    for (let i = 0; i < pairs.length / 2; i++) {
      const sum = joined(pairs, i);
      if (sum > bound || sum < -bound) return i;
      this.#increase(place + i, sum);
    }
    return -1;
  }

  /** The sums as pairs (high, low): the same for every order of the additions. A copy. */
  lanes(place: number, length: number): BigInt64Array {
    return this.#pairs.slice(2 * place, 2 * (place + length));
  }

  /** Means rounded to nearest, ties to even, as little-endian elements of `dtype`. */
  means(totalWeight: number, dtype: IntegerDType, place: number, length: number): Uint8Array {
    const size = elementSize(dtype);
    const divisor = BigInt(totalWeight);
    const bytes = new Uint8Array(length * size);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < length; i++) {
      const mean = divideHalfEven(joined(this.#pairs, place + i), divisor);
      if (size === 8) view.setBigInt64(i * 8, BigInt.asIntN(64, mean), true);
      else if (size === 4) view.setInt32(i * 4, Number(mean), true);
      else if (size === 2) view.setInt16(i * 2, Number(mean), true);
      else view.setInt8(i, Number(mean));
    }
    return bytes;
  }
}

function joined(pairs: BigInt64Array, element: number): bigint {
  return (pairs[2 * element]! << 64n) | BigInt.asUintN(64, pairs[2 * element + 1]!);
}

/** `numerator` / `denominator` (positive) rounded to the nearest integer, ties to the even one. */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  let quotient = numerator / denominator;
  let rest = numerator % denominator;
  if (rest < 0n) {
    quotient -= 1n;
    rest += denominator;
  }
  const twice = 2n * rest;
  const up = twice > denominator || (twice === denominator && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}

/** Largest magnitude of an element. */
export function largestMagnitude(dtype: IntegerDType): bigint {
  if (dtype === 'bool') return 1n;
  const bits = 8 * elementSize(dtype);
  return 2n ** BigInt(dtype.startsWith('u') ? bits : bits - 1);
}

/** Cuts a batch into runs whose sum stays an exact integer in float64 whatever the elements are. */
function exactGroups(batch: readonly WeightedIntegers[]): WeightedIntegers[][] {
  const groups: WeightedIntegers[][] = [];
  let reach = Number.POSITIVE_INFINITY;
  for (const update of batch) {
    const most = update.weight * Number(largestMagnitude(update.dtype));
    reach += most;
    if (reach > Number.MAX_SAFE_INTEGER) {
      groups.push([]);
      reach = most;
    }
    groups.at(-1)!.push(update);
  }
  return groups;
}

function smallReader(dtype: IntegerDType, bytes: Uint8Array): (index: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (dtype) {
    case 'int8':
      return (i) => view.getInt8(i);
    case 'uint8':
      return (i) => view.getUint8(i);
    case 'bool':
      return (i) => (view.getUint8(i) === 0 ? 0 : 1);
    case 'int16':
      return (i) => view.getInt16(2 * i, true);
    case 'uint16':
      return (i) => view.getUint16(2 * i, true);
    case 'int32':
      return (i) => view.getInt32(4 * i, true);
    case 'uint32':
      return (i) => view.getUint32(4 * i, true);
    default:
      throw new TypeError(`${dtype} does not fit a float64`);
  }
}

function reader(dtype: IntegerDType, bytes: Uint8Array): (index: number) => bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === 'int64') return (i) => view.getBigInt64(8 * i, true);
  if (dtype === 'uint64') return (i) => view.getBigUint64(8 * i, true);
  const read = smallReader(dtype, bytes);
  return (i) => BigInt(read(i));
}
