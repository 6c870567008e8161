import util from 'node:util';
import * as core from '@tensorflow/tfjs-core';
import { type FoundPackage, findPackage, wasmFolder } from './backend-packages.js';
import { registerWasmGradients } from './gradients/register.js';

/** Names of backends, best first. */
export const backendNames = ['tfjs-node-gpu', 'webgpu', 'tfjs-node', 'wasm', 'cpu'] as const;
export type BackendName = (typeof backendNames)[number];

export interface Loaded {
  /** Name of the backend inside tfjs. */
  readonly backend: string;
  readonly device: string;
  readonly threads: number | undefined;
}

export interface LoadOptions {
  readonly threads: number | undefined;
  /** True when this very backend was asked for by name: then a software GPU will do. */
  readonly forced: boolean;
}

/** A loader answers with what it loaded, or with the reason why it cannot. */
type Loader = (options: LoadOptions) => Promise<Loaded | string>;

/** tfjs-node 4.22 still calls helpers that Node 23 took away. */
function restoreRemovedUtilities(): void {
  const old = util as unknown as Record<string, unknown>;
  old.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
}

function setUnlessSet(name: string, value: string): void {
  process.env[name] ??= value;
}

/** Loads libtensorflow through the named module, or uses the one that is loaded already. */
async function startTensorflow(
  found: FoundPackage,
  name: string,
  threads: number | undefined,
): Promise<{ gpu: boolean } | string> {
  if (core.findBackend('tensorflow') === null) {
    restoreRemovedUtilities();
    // Read by libtensorflow when it starts; what the operator has set stays.
    setUnlessSet('TF_CPP_MIN_LOG_LEVEL', '2');
    setUnlessSet('TF_DETERMINISTIC_OPS', '1');
    if (threads !== undefined) {
      setUnlessSet('TF_NUM_INTRAOP_THREADS', String(threads));
      setUnlessSet('TF_NUM_INTEROP_THREADS', '1');
      setUnlessSet('OMP_NUM_THREADS', String(threads));
    }
    found.require(name);
  }
  if (!(await core.setBackend('tensorflow'))) return 'libtensorflow did not start';
  const native = core.backend() as unknown as { isUsingGpuDevice?: boolean };
  return { gpu: native.isUsingGpuDevice === true };
}

async function loadTfjsNodeGpu({ threads }: LoadOptions): Promise<Loaded | string> {
  const published = '@tensorflow/tfjs-node-gpu';
  const plain = '@tensorflow/tfjs-node';
  // A tfjs-node that was built against a CUDA libtensorflow keeps its own name, in a folder of its own.
  const built = findPackage([plain], 'tfjs-node-gpu', { nativeOnly: true });
  const found = typeof built === 'string' ? findPackage([published], 'tfjs-node-gpu') : built;
  if (typeof found === 'string') return found;
  const started = await startTensorflow(found, found === built ? plain : published, threads);
  if (typeof started === 'string') return started;
  if (!started.gpu) return 'no CUDA device was found';
  return { backend: 'tensorflow', device: 'gpu (CUDA)', threads };
}

async function loadTfjsNode({ threads }: LoadOptions): Promise<Loaded | string> {
  const name = '@tensorflow/tfjs-node';
  const found = findPackage([name], 'tfjs-node');
  if (typeof found === 'string') return found;
  const started = await startTensorflow(found, name, threads);
  if (typeof started === 'string') return started;
  return { backend: 'tensorflow', device: started.gpu ? 'gpu (CUDA)' : 'cpu', threads };
}

interface GpuAdapter {
  readonly info?: { readonly vendor?: string; readonly device?: string; readonly description?: string };
  readonly isFallbackAdapter?: boolean;
}
interface Gpu {
  requestAdapter(options?: { powerPreference: string }): Promise<GpuAdapter | null>;
}

async function loadWebGpu({ forced }: LoadOptions): Promise<Loaded | string> {
  const found = findPackage(['webgpu', '@tensorflow/tfjs-backend-webgpu'], 'webgpu');
  if (typeof found === 'string') return found;
  // The package for Node is ESM with a CommonJS twin or without, depending on its version.
  const dawn = (await import(found.require.resolve('webgpu'))) as {
    create(flags: string[]): Gpu;
    globals: Record<string, unknown>;
  };
  Object.assign(globalThis, dawn.globals);
  const gpu = dawn.create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) return 'no GPU was found (it needs a Vulkan, Metal or D3D12 driver)';
  const device =
    adapter.info?.description || adapter.info?.device || adapter.info?.vendor || 'unnamed adapter';
  const software =
    adapter.isFallbackAdapter === true || /swiftshader|llvmpipe|software|basic render/i.test(device);
  if (software && !forced) return `the only adapter is a software one (${device})`;
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu, userAgent: 'node' },
    configurable: true,
    writable: true,
  });
  found.require('@tensorflow/tfjs-backend-webgpu');
  if (!(await core.setBackend('webgpu'))) return `the WebGPU backend did not start on ${device}`;
  return { backend: 'webgpu', device: `${software ? 'software' : 'gpu'} (${device})`, threads: undefined };
}

async function loadWasm(): Promise<Loaded | string> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => process.listeners(event as 'uncaughtException'));
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(wasmFolder());
  const started = await core.setBackend('wasm');
  // Emscripten's start-up code rethrows every unhandled rejection from a listener, which hides where it
  // came from; Node's own report is the better one.
  for (const [index, event] of events.entries()) {
    for (const listener of process.listeners(event as 'uncaughtException')) {
      if (!before[index]?.includes(listener)) process.removeListener(event, listener);
    }
  }
  if (!started) return 'this machine runs no WebAssembly with SIMD or without';
  registerWasmGradients();
  // tfjs starts no wasm threads under Node, whatever is asked for.
  return { backend: 'wasm', device: 'cpu', threads: 1 };
}

async function loadCpu(): Promise<Loaded | string> {
  await import('@tensorflow/tfjs-backend-cpu');
  await core.setBackend('cpu');
  return { backend: 'cpu', device: 'cpu', threads: 1 };
}

export const loaders: Readonly<Record<BackendName, Loader>> = {
  'tfjs-node-gpu': loadTfjsNodeGpu,
  webgpu: loadWebGpu,
  'tfjs-node': loadTfjsNode,
  wasm: loadWasm,
  cpu: loadCpu,
};
