import { availableParallelism, totalmem } from 'node:os';
import { ConsiliumError } from '@consilium/protocol';
import type { Accelerator } from '../contract.js';
import type { RunnablePackage } from '../runnable.js';
import { formatSize } from '../units.js';

/** What one task may use. */
export interface TaskLimits {
  /** Bytes, all processes together. */
  readonly memory: number;
  readonly threads: number;
  /** Wall clock, seconds. */
  readonly timeout: number;
  readonly processes: number;
  /** Largest file it may write, bytes. */
  readonly fileSize: number;
  readonly openFiles: number;
  /** Bytes of output kept in the log file. */
  readonly logSize: number;
}

/** What a site gives at most. */
export interface SiteLimits {
  /** Bytes. */
  readonly memory?: number;
  readonly cpus?: number;
  /** Seconds. */
  readonly timeout?: number;
}

const defaultTimeout = 6 * 3600;

/**
 * The limits of a task: what the package asks for, within what the site gives. Time and CPUs are
 * cut to the site's limit; memory is not, because a package without it would only fail later.
 *
 * @throws ConsiliumError PKG_RESOURCES_DENIED
 */
export function resolveLimits(pack: Pick<RunnablePackage, 'resources'>, site: SiteLimits = {}): TaskLimits {
  const { memory, cpus, timeout } = pack.resources;
  const most = Math.min(site.memory ?? Number.POSITIVE_INFINITY, totalmem());
  if (memory !== undefined && memory > most) {
    const detail = `It asks for ${formatSize(memory)} of memory; at most ${formatSize(most)} are given.`;
    throw new ConsiliumError('PKG_RESOURCES_DENIED', detail, { where: 'resources.memory' });
  }
  const givenCpus = Math.min(site.cpus ?? Number.POSITIVE_INFINITY, availableParallelism());
  return {
    memory: memory ?? Math.floor(site.memory === undefined ? totalmem() * 0.8 : most),
    threads: Math.max(1, Math.floor(Math.min(cpus ?? givenCpus, givenCpus))),
    timeout: Math.min(timeout ?? site.timeout ?? defaultTimeout, site.timeout ?? Number.POSITIVE_INFINITY),
    processes: 256,
    fileSize: 16 * 2 ** 30,
    openFiles: 4096,
    logSize: 16 * 2 ** 20,
  };
}

/**
 * Whether a task may use a GPU: what the package says, within what the site has (`accelerator` of client.yaml).
 * @throws ConsiliumError PKG_RESOURCES_DENIED
 */
export function resolveAccelerator(
  pack: Pick<RunnablePackage, 'resources'>,
  site: 'auto' | 'cpu' | 'gpu' | 'required' = 'auto',
): Accelerator {
  const asked = pack.resources.accelerator;
  if (asked === 'required' && site === 'cpu') {
    throw new ConsiliumError('PKG_RESOURCES_DENIED', 'It needs a GPU; this site gives none.', {
      where: 'resources.accelerator',
    });
  }
  if (asked === 'none' || site === 'cpu') return 'none';
  return site === 'required' ? 'required' : asked;
}
