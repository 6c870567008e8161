/** The little of the WebAssembly binary format (specification 2.0, chapter 5) that the sum kernel needs. */

/** Value types of locals and parameters. */
export const valueType = { i32: 0x7f, f64: 0x7c, v128: 0x7b } as const;

/** Op codes by their names in the specification; SIMD ones carry the 0xfd prefix. */
export const op = {
  block: 0x02,
  loop: 0x03,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Const: 0x41,
  i32Add: 0x6a,
  i32LtU: 0x49,
  v128Load: [0xfd, 0x00],
  v128Load64Zero: [0xfd, 0x5d],
  v128Store: [0xfd, 0x0b],
  v128Const: [0xfd, 0x0c],
  v128And: [0xfd, 0x4e],
  f64x2Splat: [0xfd, 0x14],
  f64x2Le: [0xfd, 0x4b],
  f64x2PromoteLowF32x4: [0xfd, 0x5f],
  f64x2Abs: [0xfd, 0xec, 0x01],
  f64x2Add: [0xfd, 0xf0, 0x01],
  f64x2Sub: [0xfd, 0xf1, 0x01],
  f64x2Mul: [0xfd, 0xf2, 0x01],
  i64x2AllTrue: [0xfd, 0xc3, 0x01],
} as const;

export type Code = ReadonlyArray<number>;

export interface WasmFunction {
  readonly name: string;
  readonly parameters: Code;
  readonly results: Code;
  /** Types of the locals that follow the parameters. */
  readonly locals: Code;
  readonly body: Code;
}

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Signed LEB128 of a non-negative number. */
export function signed(value: number): number[] {
  const bytes = unsigned(value);
  const last = bytes.at(-1)!;
  if ((last & 0x40) === 0) return bytes;
  return [...bytes.slice(0, -1), last | 0x80, 0];
}

/** `v128.const` with the same float64 in both lanes. */
export function constantPair(value: number): number[] {
  const bytes = [...new Uint8Array(new Float64Array([value, value]).buffer)];
  return [...op.v128Const, ...bytes];
}

function vector(items: ReadonlyArray<Code>): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function sized(bytes: Code): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function section(id: number, items: ReadonlyArray<Code>): number[] {
  return [id, ...sized(vector(items))];
}

function text(value: string): number[] {
  return sized([...new TextEncoder().encode(value)]);
}

/** A module that imports its memory as `env.memory` and exports every function by name. */
export function encodeModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  const types = functions.map((f) => [0x60, ...sized(f.parameters), ...sized(f.results)]);
  const importedMemory = [...text('env'), ...text('memory'), 0x02, 0x00, 0x01];
  const bodies = functions.map((f) => {
    const locals = vector(f.locals.map((type) => [0x01, type]));
    return sized([...locals, ...f.body, op.end]);
  });
  return new Uint8Array([
    ...header,
    ...section(1, types),
    ...section(2, [importedMemory]),
    ...section(
      3,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(
      7,
      functions.map((f, index) => [...text(f.name), 0x00, ...unsigned(index)]),
    ),
    ...section(10, bodies),
  ]);
}
