import type { BackendName } from '@consilium/sdk';

/** A network this small is trained before a larger backend has started. */
export const backends: readonly BackendName[] = ['wasm', 'cpu'];
