import type { DType } from '@consilium/tensor';
import { decodeBfloat16, decodeFloat16, elementSize, typedData } from '@consilium/tensor';
import { highPart, isCanonical, MAX_TERM, makeCanonical, TERMS_PER_CARRY } from './grid.js';
import type { KernelFloat } from './kernel-code.js';
import { addFunction, BLOCK, BLOCK_BYTES } from './kernel-code.js';
import { encodeModule } from './wasm-encoder.js';
import type { WasmMemory } from './web-assembly.js';
import { wasm } from './web-assembly.js';

export type FloatDType = 'float16' | 'bfloat16' | 'float32' | 'float64';

export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';
}

/** One contribution to the elements in work. */
export interface WeightedValues {
  readonly dtype: FloatDType;
  /** The elements as they lie in an npz file: little-endian, any alignment. */
  readonly bytes: Uint8Array;
  /** Whole number from 1 to MAX_WEIGHT. */
  readonly weight: number;
}

/** The term that cannot be added: which update of the batch, which element, and the value found there. */
export interface BadTerm {
  readonly update: number;
  readonly index: number;
  readonly value: number;
}

/** Updates that one pass of the kernel adds while a pair of elements stays in registers. */
export const UPDATES_PER_CALL = TERMS_PER_CARRY - 1;

const PAGE = 65_536;
const STAGING_BYTES = UPDATES_PER_CALL * BLOCK_BYTES;

type AddKernel = (lanes: number, end: number, ...valuesThenWeights: number[]) => number;

let compiled: object | undefined;

function kernelModule(): object {
  compiled ??= new wasm.Module(
    encodeModule(
      (['f32', 'f64'] as const).flatMap((type) =>
        Array.from({ length: UPDATES_PER_CALL }, (_, n) => addFunction(type, n + 1)),
      ),
    ),
  );
  return compiled;
}

/**
 * Exact sums of weighted values for up to `capacity` elements at a time: two float64 lanes an element, as
 * `grid.ts` defines them. A tensor, or a slice of one, takes a range of elements that starts at an even place.
 * Owns 16 bytes an element (rounded up to blocks of 2,048), 96 KiB for staging and the input slots.
 * Memory layout: staging for UPDATES_PER_CALL blocks of values; for each block its high and its low lane; slots.
 */
export class FloatSums {
  readonly capacity: number;
  readonly #memory: WasmMemory;
  readonly #bytes: Uint8Array;
  readonly #kernels: Record<KernelFloat, AddKernel[]>;

  readonly #slotsAt: number;
  readonly #slotBytes: number;

  /** `slots` buffers of `slotBytes` are made within its memory, see `slot`. */
  constructor(capacity: number, slots = 0, slotBytes = 0) {
    const blocks = Math.max(1, Math.ceil(capacity / BLOCK));
    this.capacity = blocks * BLOCK;
    this.#slotsAt = STAGING_BYTES + blocks * 2 * BLOCK_BYTES;
    this.#slotBytes = slotBytes + ((16 - (slotBytes % 16)) % 16);
    const pages = Math.ceil((this.#slotsAt + slots * this.#slotBytes) / PAGE);
    this.#memory = new wasm.Memory({ initial: pages, maximum: pages });
    this.#bytes = new Uint8Array(this.#memory.buffer);
    const { exports } = new wasm.Instance(kernelModule(), { env: { memory: this.#memory } });
    const named = (type: KernelFloat) =>
      Array.from({ length: UPDATES_PER_CALL }, (_, n) => exports[`add_${type}_${n + 1}`] as AddKernel);
    this.#kernels = { f32: named('f32'), f64: named('f64') };
  }

  /** Bytes of a sum object with this capacity. */
  static bytesFor(capacity: number): number {
    return STAGING_BYTES + Math.max(1, Math.ceil(capacity / BLOCK)) * 2 * BLOCK_BYTES + PAGE;
  }

  /**
   * Input buffer `index`: values that lie in it are added without being copied first. It is the caller's to fill
   * and to fill again.
   */
  slot(index: number): Uint8Array {
    const at = this.#slotsAt + index * this.#slotBytes;
    return this.#bytes.subarray(at, at + this.#slotBytes);
  }

  /** Sets the first `length` sums to zero. */
  clear(length: number): void {
    this.#bytes.fill(0, STAGING_BYTES, STAGING_BYTES + Math.ceil(length / BLOCK) * 2 * BLOCK_BYTES);
  }

  /**
   * Adds updates of the same dtype to the sums `place` … `place + length` (`place` even). Returns the first term
   * that is not finite or beyond MAX_TERM, after which the sums are spoilt and must be cleared.
   */
  add(batch: readonly WeightedValues[], place: number, length: number): BadTerm | undefined {
    for (let first = 0; first < batch.length; first += UPDATES_PER_CALL) {
      const bad = this.#addGroup(batch.slice(first, first + UPDATES_PER_CALL), place, length);
      if (bad !== undefined) return { ...bad, update: first + bad.update };
    }
    return undefined;
  }

  #addGroup(group: readonly WeightedValues[], place: number, length: number): BadTerm | undefined {
    const type: KernelFloat = group[0]!.dtype === 'float64' ? 'f64' : 'f32';
    const kernel = this.#kernels[type][group.length - 1]!;
    const weights = group.map((update) => update.weight);
    for (let start = 0, count = 0; start < length; start += count) {
      count = this.#runLength(place, length, start);
      // An odd last element is staged with a zero behind it, which lands on a spare lane and changes nothing.
      if (count > 1) count -= count % 2;
      const values = group.map((update, j) => this.#addressOf(j, update, start, count));
      const lanes = laneAddress(place + start);
      const end = lanes + (count + (count % 2)) * 8;
      if (kernel(lanes, end, ...values, ...weights) === 0) return findBadTerm(group, start, count);
    }
    return undefined;
  }

  /** Where the kernel finds `count` elements of an update: where they are, or staged in place `j`. */
  #addressOf(j: number, update: WeightedValues, start: number, count: number): number {
    const { dtype, bytes } = update;
    const size = elementSize(dtype);
    if (bytes.buffer === this.#memory.buffer && size > 2 && count > 1) return bytes.byteOffset + start * size;
    this.#stage(j, update, start, count);
    return j * BLOCK_BYTES;
  }

  /** Elements from `start` of a range to its end or the end of the block that holds them. */
  #runLength(place: number, length: number, start: number): number {
    return Math.min(length - start, BLOCK - ((place + start) % BLOCK));
  }

  /** Copies `count` elements of one update into staging place `j`, with a zero behind a single one. */
  #stage(j: number, { dtype, bytes }: WeightedValues, start: number, count: number): void {
    const at = j * BLOCK_BYTES;
    const size = elementSize(dtype);
    const part = bytes.subarray(start * size, (start + count) * size);
    if (size > 2) this.#bytes.set(part, at);
    else widen(dtype, part, new Float32Array(this.#memory.buffer, at, count));
    if (count % 2 === 1) {
      const staged = Math.max(size, 4);
      this.#bytes.fill(0, at + count * staged, at + (count + 1) * staged);
    }
  }

  /**
   * Adds lanes of a partial, pairs (high, low) as `lanes` gives them, from `place` on. Returns the index of the
   * first pair that no sum of `count` terms can have, or −1.
   */
  addLanes(pairs: Float64Array, count: number, place: number): number {
    const length = pairs.length / 2;
    for (let start = 0, run = 0; start < length; start += run) {
      run = this.#runLength(place, length, start);
      const { hi, lo } = this.#lanesAt(place + start, run);
      for (let i = 0; i < run; i++) {
        const high = pairs[2 * (start + i)]!;
        const low = pairs[2 * (start + i) + 1]!;
        if (!isCanonical(high, low, count)) return start + i;
        const sum = lo[i]! + low;
        const carry = highPart(sum);
        hi[i] = hi[i]! + high + carry;
        lo[i] = sum - carry;
      }
    }
    return -1;
  }

  /** The sums as canonical pairs (high, low): 16 bytes an element, the same for every order of the additions. */
  lanes(place: number, length: number): Float64Array {
    const pairs = new Float64Array(2 * length);
    for (let start = 0, run = 0; start < length; start += run) {
      run = this.#runLength(place, length, start);
      const { hi, lo } = this.#lanesAt(place + start, run);
      makeCanonical(hi, lo, run);
      for (let i = 0, p = 2 * start; i < run; i++, p += 2) {
        pairs[p] = hi[i]!;
        pairs[p + 1] = lo[i]!;
      }
    }
    return pairs;
  }

  /** (high + low) / totalWeight in float64: one rounding for the sum, one for the quotient. */
  means(totalWeight: number, place: number, length: number): Float64Array {
    const means = new Float64Array(length);
    for (let start = 0, run = 0; start < length; start += run) {
      run = this.#runLength(place, length, start);
      const { hi, lo } = this.#lanesAt(place + start, run);
      for (let i = 0; i < run; i++) means[start + i] = (hi[i]! + lo[i]!) / totalWeight;
    }
    return means;
  }

  #lanesAt(element: number, length: number): { hi: Float64Array; lo: Float64Array } {
    const at = laneAddress(element);
    const { buffer } = this.#memory;
    return {
      hi: new Float64Array(buffer, at, length),
      lo: new Float64Array(buffer, at + BLOCK_BYTES, length),
    };
  }
}

/** Address of the high lane of an element; its low lane is BLOCK_BYTES further. */
function laneAddress(element: number): number {
  return STAGING_BYTES + Math.floor(element / BLOCK) * 2 * BLOCK_BYTES + (element % BLOCK) * 8;
}

function widen(dtype: FloatDType, bytes: Uint8Array, target: Float32Array<ArrayBuffer>): void {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  const bits = typedData('uint16', aligned);
  if (dtype === 'float16') decodeFloat16(bits, target);
  else decodeBfloat16(bits, target);
}

/** Element `index` as a number, exactly; for error paths. */
function valueAt({ dtype, bytes }: WeightedValues, index: number): number {
  const size = elementSize(dtype);
  const element = Uint8Array.from(bytes.subarray(index * size, (index + 1) * size));
  if (dtype === 'float64' || dtype === 'float32') return typedData(dtype, element)[0]!;
  const wide = new Float32Array(1);
  widen(dtype, element, wide);
  return wide[0]!;
}

function findBadTerm(group: readonly WeightedValues[], start: number, count: number): BadTerm {
  for (let index = start; index < start + count; index++) {
    for (const [update, values] of group.entries()) {
      const value = valueAt(values, index);
      if (!(Math.abs(value * values.weight) <= MAX_TERM)) return { update, index, value };
    }
  }
  throw new Error('the kernel refused a term that the reference accepts');
}
