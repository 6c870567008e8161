import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import type { Isolation } from './contract.js';
import { killMarked, signalTree, trySignal } from './process-tree.js';
import { bubblewrapArguments, type SandboxView } from './sandbox/bubblewrap.js';
import type { TaskLimits } from './sandbox/limits.js';

/**
 * Sets the limits, leaves a guard that kills the whole group as soon as descriptor 4 closes (so that
 * nothing survives a client that was killed), and becomes the program. A limit that is lower already stays.
 */
const launcher = `
for limit in "c 0" "n $1" "t $2" "f $3" "d $4"; do
  [ "\${limit#* }" = - ] || ulimit -\${limit% *} "\${limit#* }" 2>/dev/null || :
done
shift 4
( trap "" TERM INT HUP; read -r _ <&4; kill -KILL 0 ) </dev/null >/dev/null 2>&1 3>&- &
exec "$@" 4<&-
`;

export interface ChildOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly isolation: Isolation;
  /** Needed for `bubblewrap`. */
  readonly bwrap?: string;
  readonly view: SandboxView;
  readonly limits: TaskLimits;
  /** A long-lived worker: no limit on CPU time, which adds up over its tasks. */
  readonly longLived: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The program could not be started at all. */
  readonly error?: Error;
}

/** A package's process with everything it starts, as one thing that can be killed. */
export class Child {
  readonly #process: ChildProcess;
  readonly #isolation: Isolation;
  readonly #marker: string;
  /** When the program has ended, its leftovers are dead and its output has been read. */
  readonly exited: Promise<Exit>;

  constructor(options: ChildOptions) {
    this.#isolation = options.isolation;
    const mark = randomBytes(12).toString('hex');
    this.#marker = `CONSILIUM_RUN=${mark}`;
    this.#process = spawn(
      '/bin/sh',
      ['-c', launcher, 'consilium', ...ulimits(options), ...command(options)],
      {
        cwd: options.isolation === 'bubblewrap' ? '/' : options.cwd,
        env: { ...options.env, CONSILIUM_RUN: mark },
        // Its own session and group.
        detached: true,
        stdio: [options.longLived ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      },
    );
    for (const stream of this.#process.stdio) stream?.on('error', () => undefined);
    this.exited = this.#waitForExit();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get stdin(): Writable {
    return this.#process.stdin!;
  }

  get stdout(): Readable {
    return this.#process.stdout!;
  }

  get stderr(): Readable {
    return this.#process.stderr!;
  }

  get events(): Readable {
    return this.#process.stdio[3] as Readable;
  }

  /** SIGTERM to every program of the package. */
  async terminate(): Promise<void> {
    const { pid } = this.#process;
    if (pid === undefined) return;
    // bwrap would pass a SIGTERM of its own on as SIGKILL, and the program could not say goodbye.
    if (this.#isolation === 'bubblewrap') await signalTree(pid, 'SIGTERM', ['bwrap']);
    else trySignal(-pid, 'SIGTERM');
  }

  /** SIGKILL to everything, also to what has left the process group. */
  async kill(): Promise<void> {
    const { pid } = this.#process;
    if (pid === undefined) return;
    trySignal(-pid, 'SIGKILL');
    if (this.#isolation === 'process') await killMarked(this.#marker);
  }

  async #waitForExit(): Promise<Exit> {
    const child = this.#process;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const exit = await new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', (error) => resolve({ code: null, signal: null, error }));
    });
    await this.kill();
    if (child.pid !== undefined) {
      // The guard's end of descriptor 4 is ours to close; then the output can reach its end.
      child.stdio[4]?.destroy();
      // Where there is no /proc, a daemon may have escaped with our pipes in its hands.
      const patience = setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
      }, 2000);
      await closed;
      clearTimeout(patience);
    }
    return exit;
  }
}

function ulimits({ limits, longLived, view }: ChildOptions): string[] {
  const cpuSeconds = longLived ? '-' : String(Math.ceil(limits.timeout * limits.threads) + 5);
  // A backstop against sudden growth between two looks of the monitor; drivers of GPUs reserve far more.
  const dataKib = view.devices ? '-' : String(Math.ceil(limits.memory / 512) + 2 ** 20);
  return [String(limits.openFiles), cpuSeconds, String(Math.ceil(limits.fileSize / 512)), dataKib];
}

function command({ isolation, bwrap, view, argv }: ChildOptions): string[] {
  if (isolation === 'process') return [...argv];
  if (bwrap === undefined) throw new TypeError('bubblewrap isolation without bwrap');
  return [bwrap, ...bubblewrapArguments(view), ...argv];
}
