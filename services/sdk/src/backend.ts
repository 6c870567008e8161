// tfjs-core comes without gradients; layers registers them.
import '@tensorflow/tfjs-layers';
import { ConsiliumError } from '@consilium/protocol/errors';
import { type BackendName, backendNames, loaders } from './backend-loaders.js';
import { registerChainedOps } from './chained-ops.js';

/** What a task may ask for instead of one backend: `accelerator` in the words of the package contract. */
const groups = {
  auto: backendNames,
  optional: backendNames,
  required: ['tfjs-node-gpu', 'webgpu'],
  none: ['tfjs-node', 'wasm', 'cpu'],
} as const satisfies Record<string, readonly BackendName[]>;

export interface BackendChoice {
  readonly name: BackendName;
  /** `cpu`, or `gpu (...)` with what the driver calls it. */
  readonly device: string;
  /** Threads the backend computes with, where it is told. */
  readonly threads: number | undefined;
  /** Backends that come before it in the order and are not used, with the reason. */
  readonly skipped: readonly { readonly name: BackendName; readonly reason: string }[];
}

export interface BackendOptions {
  /** Threads to compute with; the backend's own default when not given. */
  readonly threads?: number | undefined;
  /** Backends a package prefers, best first: start-up matters more than speed for a tiny network. */
  readonly order?: readonly BackendName[] | undefined;
  readonly env?: NodeJS.ProcessEnv;
}

function isBackendName(name: string): name is BackendName {
  return (backendNames as readonly string[]).includes(name);
}

/** Backends to try, best first, for what the environment, the task and the package ask for. */
export function candidatesFor(preference: string, options: BackendOptions = {}): readonly BackendName[] {
  const forced = (options.env ?? process.env).CONSILIUM_BACKEND;
  const wanted = forced || preference;
  if (isBackendName(wanted)) return [wanted];
  if (!Object.hasOwn(groups, wanted)) {
    throw new ConsiliumError('SDK_BACKEND_UNKNOWN', `"${wanted}"`, {
      where: forced ? 'environment CONSILIUM_BACKEND' : 'accelerator of the task',
    });
  }
  const group: readonly BackendName[] = groups[wanted as keyof typeof groups];
  const preferred = (options.order ?? []).filter((name) => group.includes(name));
  return [...preferred, ...group.filter((name) => !preferred.includes(name))];
}

let current: { key: string; choice: BackendChoice } | undefined;

/**
 * Starts the best backend that works here and makes it the one tfjs uses. Calling it again with the same
 * wish changes nothing.
 *
 * @param preference `auto` or `optional` (a GPU if there is one), `required` (a GPU), `none` (no GPU), or
 *   the name of one backend (`cpu` is plain JavaScript); the environment's `CONSILIUM_BACKEND` goes before it
 * @throws ConsiliumError SDK_BACKEND_UNKNOWN, SDK_BACKEND_UNAVAILABLE (with the reason for each candidate)
 */
export async function useBackend(preference = 'auto', options: BackendOptions = {}): Promise<BackendChoice> {
  const candidates = candidatesFor(preference, options);
  const key = candidates.join();
  if (current?.key === key) return current.choice;
  registerChainedOps();
  const skipped: { name: BackendName; reason: string }[] = [];
  for (const name of candidates) {
    const answer = await load(name, { threads: options.threads, forced: candidates.length === 1 });
    if (typeof answer === 'string') {
      skipped.push({ name, reason: answer });
      continue;
    }
    const choice: BackendChoice = { name, device: answer.device, threads: answer.threads, skipped };
    current = { key, choice };
    return choice;
  }
  const reasons = skipped.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
  throw new ConsiliumError('SDK_BACKEND_UNAVAILABLE', reasons, {
    where: `wanted: ${candidates.join(', ')}`,
  });
}

async function load(name: BackendName, options: { threads: number | undefined; forced: boolean }) {
  try {
    return await loaders[name](options);
  } catch (error) {
    // A broken installation of a better backend must not stop a worse one; the reason is reported.
    return `it does not load: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
}
