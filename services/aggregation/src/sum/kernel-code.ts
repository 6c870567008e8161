import { HI_MAGIC, LO_MAGIC, MAX_TERM } from './grid.js';
import type { WasmFunction } from './wasm-encoder.js';
import { constantPair, op, signed, unsigned, valueType } from './wasm-encoder.js';

/** Elements of one block: its two lanes (32 KiB) and the values in work stay in the fast caches. */
export const BLOCK = 2048;

/** Bytes from a high to its low lane, and from one update's values to the next one's in the staging area. */
export const BLOCK_BYTES = BLOCK * 8;

export type KernelFloat = 'f32' | 'f64';

/**
 * `add_<type>_<n>(lanes, end, v0 … v(n-1), w0 … w(n-1)) -> ok`: adds n weighted updates to lanes of one block, two
 * elements at a time. `lanes` is the address of the first high lane, the low ones follow BLOCK_BYTES later; `end`
 * is the address after the last high lane (an even number of elements); update j has its values at address vj,
 * of any alignment, and the weight wj. Returns 1, or 0 when any term was NaN, infinite or beyond MAX_TERM; the
 * lanes are then spoilt. The arithmetic is that of `addTermsReference`, with one carry after n terms instead of
 * one a term: the exact sum, hence the carried pair up to a tie, is the same.
 */
export function addFunction(type: KernelFloat, updates: number): WasmFunction {
  const LANES = 0;
  const END = 1;
  const values = (j: number) => 2 + j;
  const weight = (j: number) => 2 + updates + j;
  const pair = (j: number) => 2 + 2 * updates + j;
  const [HI, LO, TERM, HIGH, GOOD] = [0, 1, 2, 3, 4].map((k) => 2 + 3 * updates + k) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const get = (local: number) => [op.localGet, ...unsigned(local)];
  const set = (local: number) => [op.localSet, ...unsigned(local)];
  const tee = (local: number) => [op.localTee, ...unsigned(local)];
  const at = (offset: number) => [0, ...unsigned(offset)];
  const advance = (local: number, bytes: number) => [
    ...get(local),
    op.i32Const,
    ...signed(bytes),
    op.i32Add,
    ...set(local),
  ];
  const roundTo = (magic: number) => [
    ...constantPair(magic),
    ...op.f64x2Add,
    ...constantPair(magic),
    ...op.f64x2Sub,
  ];
  const loadValues = (j: number) =>
    type === 'f32'
      ? [...get(values(j)), ...op.v128Load64Zero, ...at(0), ...op.f64x2PromoteLowF32x4]
      : [...get(values(j)), ...op.v128Load, ...at(0)];
  const addOne = (j: number) => [
    ...loadValues(j),
    ...get(pair(j)),
    ...op.f64x2Mul,
    ...tee(TERM),
    ...roundTo(HI_MAGIC),
    ...set(HIGH),
    // good &= |term| <= MAX_TERM, which NaN fails
    ...get(TERM),
    ...op.f64x2Abs,
    ...constantPair(MAX_TERM),
    ...op.f64x2Le,
    ...get(GOOD),
    ...op.v128And,
    ...set(GOOD),
    ...get(HI),
    ...get(HIGH),
    ...op.f64x2Add,
    ...set(HI),
    ...get(LO),
    ...get(TERM),
    ...get(HIGH),
    ...op.f64x2Sub,
    ...roundTo(LO_MAGIC),
    ...op.f64x2Add,
    ...set(LO),
  ];
  const indices = Array.from({ length: updates }, (_, j) => j);
  const body = [
    ...indices.flatMap((j) => [...get(weight(j)), ...op.f64x2Splat, ...set(pair(j))]),
    ...constantPair(0),
    ...constantPair(0),
    ...op.f64x2Le,
    ...set(GOOD),
    op.loop,
    0x40,
    ...get(LANES),
    ...op.v128Load,
    ...at(0),
    ...set(HI),
    ...get(LANES),
    ...op.v128Load,
    ...at(BLOCK_BYTES),
    ...set(LO),
    ...indices.flatMap(addOne),
    // carry what exceeds half a high unit
    ...get(LO),
    ...roundTo(HI_MAGIC),
    ...set(HIGH),
    ...get(LANES),
    ...get(HI),
    ...get(HIGH),
    ...op.f64x2Add,
    ...op.v128Store,
    ...at(0),
    ...get(LANES),
    ...get(LO),
    ...get(HIGH),
    ...op.f64x2Sub,
    ...op.v128Store,
    ...at(BLOCK_BYTES),
    ...indices.flatMap((j) => advance(values(j), type === 'f32' ? 8 : 16)),
    ...advance(LANES, 16),
    ...get(LANES),
    ...get(END),
    op.i32LtU,
    op.brIf,
    0x00,
    op.end,
    ...get(GOOD),
    ...op.i64x2AllTrue,
  ];
  const { i32, f64, v128 } = valueType;
  return {
    name: `add_${type}_${updates}`,
    parameters: [i32, i32, ...indices.map(() => i32), ...indices.map(() => f64)],
    results: [i32],
    locals: [...indices.map(() => v128), v128, v128, v128, v128, v128],
    body,
  };
}
