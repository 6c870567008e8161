/** The part of the WebAssembly interface that is used here; @types/node 20 does not declare the global. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

interface WasmGlobal {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Memory: new (descriptor: { initial: number; maximum?: number }) => WasmMemory;
  readonly Instance: new (
    module: object,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: Record<string, unknown> };
}

export type { WasmMemory };

export const wasm = (globalThis as unknown as { WebAssembly: WasmGlobal }).WebAssembly;
