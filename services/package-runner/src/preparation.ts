import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConsiliumError, nativeFolder } from '@consilium/protocol';
import type { Accelerator, Isolation, TaskEvent, TaskRequest } from './contract.js';
import { type RunnablePackage, requireEntry, requireSdk } from './runnable.js';
import type { SandboxView } from './sandbox/bubblewrap.js';
import {
  chooseIsolation,
  detectIsolation,
  type IsolationDemand,
  type IsolationStatus,
} from './sandbox/detect.js';
import { placeholders } from './sandbox/environment.js';
import type { TaskLimits } from './sandbox/limits.js';
import { linkSdk, type SdkLocation } from './sandbox/sdk-link.js';
import type { TaskFolder } from './task-folder.js';

export interface SandboxPolicy {
  /** any: what the machine gives; sandbox: bubblewrap or refuse; process: never bubblewrap. */
  readonly isolation: IsolationDemand;
  /** Whether packages that ask for the network get it. */
  readonly network: 'none' | 'any';
  /** Never visible in the sandbox, wherever they lie (the key folder). Absolute. */
  readonly hidden?: readonly string[];
  /** Further paths to read: interpreters outside /usr. Absolute. */
  readonly readOnly?: readonly string[];
}

export interface RunOptions {
  readonly package: RunnablePackage;
  /** Task folders are made in it. Not on a path the package can see. Absolute. */
  readonly workDir: string;
  readonly limits: TaskLimits;
  readonly accelerator: Accelerator;
  readonly sandbox: SandboxPolicy;
  /** For runtime node. */
  readonly sdk?: SdkLocation;
  /** Variables the operator wants packages to have, `PATH` included. No secrets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TaskEvent) => void;
  /** What the program prints is added to this file, up to `limits.logSize`. */
  readonly logFile?: string;
  /** From SIGTERM to SIGKILL; 5000. */
  readonly graceMs?: number;
  /** How often memory and processes are looked at; 250. */
  readonly watchMs?: number;
  /** What the machine can do; found out by `detectIsolation` when left out. */
  readonly machine?: IsolationStatus;
}

/** What is settled before a process starts. */
export interface Preparation {
  readonly isolation: Isolation;
  readonly bwrap?: string;
  readonly network: boolean;
  /** Read-only paths that do not depend on the task. */
  readonly readOnly: readonly string[];
  /** Variables that do not depend on the task: what the operator wants, and where native backends are. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Checks package and policy against each other and makes the sdk resolvable.
 * @throws ConsiliumError PKG_NO_ENTRY, PKG_SDK_RANGE, PKG_START_FAILED, PKG_NETWORK_DENIED,
 *   PKG_ISOLATION_UNAVAILABLE
 */
export async function prepare(
  request: Pick<TaskRequest, 'entry' | 'dataDir' | 'inputs'>,
  options: RunOptions,
): Promise<Preparation> {
  const { package: pack, sandbox, sdk } = options;
  requireEntry(pack, request.entry);
  requirePaths({ ...request.inputs, ...(request.dataDir === undefined ? {} : { data: request.dataDir }) });
  const machine = options.machine ?? (await detectIsolation());
  const isolation = chooseIsolation(sandbox.isolation, machine);
  const wantsNetwork = pack.resources.network === 'any';
  if (wantsNetwork && sandbox.network !== 'any') {
    throw new ConsiliumError('PKG_NETWORK_DENIED', `${pack.name} ${pack.version}.`, {
      where: 'policy.network',
    });
  }
  const readOnly = [pack.folder, ...(sandbox.readOnly ?? [])];
  const native: Record<string, string> = {};
  if (pack.runtime === 'node') {
    if (sdk === undefined) throw new TypeError('runtime node needs the sdk');
    requireSdk(pack, sdk.version);
    readOnly.push(await linkSdk(pack.folder, sdk), ...sdk.readOnly, realpathSync(process.execPath));
    // The sdk would look below the home folder, and a task has its own.
    const folder = resolve(nativeFolder({ ...process.env, ...options.env }));
    if (existsSync(folder)) {
      readOnly.push(folder);
      native.CONSILIUM_NATIVE = folder;
    }
  }
  return {
    isolation,
    ...(machine.bwrap === undefined ? {} : { bwrap: machine.bwrap }),
    network: wantsNetwork,
    readOnly,
    env: { ...options.env, ...native },
  };
}

function requirePaths(paths: Readonly<Record<string, string>>): void {
  for (const [name, path] of Object.entries(paths)) {
    if (existsSync(path)) continue;
    throw new ConsiliumError('PKG_START_FAILED', `There is no such file or folder: ${path}.`, {
      where: name,
      fix: 'Check the path, and data.path in client.yaml.',
    });
  }
}

/** What the processes of a task see. */
export function viewOf(
  preparation: Preparation,
  options: RunOptions,
  paths: { readOnly: readonly (string | null | undefined)[]; writable: readonly string[]; cwd: string },
): SandboxView {
  const more = paths.readOnly.filter((path) => path !== undefined && path !== null);
  return {
    readOnly: [...new Set([...preparation.readOnly, ...more])].filter((path) => !path.startsWith('/usr/')),
    writable: paths.writable,
    hidden: options.sandbox.hidden ?? [],
    network: preparation.network,
    devices: options.accelerator !== 'none',
    cwd: paths.cwd,
  };
}

/** The command of one task. */
export function taskArgv(pack: RunnablePackage, folder: TaskFolder): string[] {
  const program = requireEntry(pack, folder.task.entry);
  if (pack.runtime === 'node') return [process.execPath, join(pack.folder, program[0]!)];
  const values = placeholders(folder.task, folder.paths);
  return program.map((argument, index) => {
    const isFile = index > 0 || argument.startsWith('./');
    if (isFile && !argument.startsWith('-') && isInside(pack.folder, argument))
      return join(pack.folder, argument);
    return argument.replace(/\{([a-z_]+)\}/g, (text, name: string) => fill(text, name, values));
  });
}

function fill(text: string, name: string, values: Readonly<Record<string, string | undefined>>): string {
  if (!Object.hasOwn(values, name)) return text;
  const value = values[name];
  if (value !== undefined) return value;
  throw new ConsiliumError('PKG_START_FAILED', `The task has no value for ${text}.`, {
    where: 'package.yaml, field entry',
  });
}

function isInside(folder: string, argument: string): boolean {
  const path = join(folder, argument);
  return path.startsWith(`${folder}/`) && existsSync(path) && dirname(path).startsWith(folder);
}

export function labelOf(pack: RunnablePackage, request: Pick<TaskRequest, 'entry'>): string {
  return `${request.entry} of ${pack.name} ${pack.version}`;
}
