import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { ConsiliumError } from '@consilium/protocol';

/** A program of the platform: how it is started, and how it shows that it is up. */
export interface ChildSpec {
  /** Such as `reducer-1`; also the name of its log file. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
  /**
   * Resolves once the program serves. `line` gives the next line of its standard output; it rejects when the
   * program ends first.
   */
  readonly ready: (line: () => Promise<string>) => Promise<void>;
}

export interface RunningChild {
  readonly pid: number;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
  /** The last lines of its log. */
  tail(): string;
  /** Closes its standard input, which asks it to end in order; kills it after the grace. */
  stop(graceMs: number): Promise<void>;
}

const tailLines = 12;

/**
 * Starts a program and waits until it is ready. Its standard input is a pipe that the program watches: it ends
 * when this process does, however that happens.
 * @throws UP_CHILD_FAILED with its last log lines when it ends, or is not ready in time
 */
export async function startChild(
  spec: ChildSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<RunningChild> {
  const log = createWriteStream(spec.logFile, { flags: 'a', mode: 0o600 });
  const child = spawn(spec.command, spec.args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A Ctrl-C in the terminal reaches the whole foreground group; the supervisor alone decides the order.
    detached: true,
    env: { ...process.env, ...spec.env, CONSILIUM_LOG_FORMAT: 'json' },
  });
  child.stdin.on('error', () => undefined);
  const lastLines = keepTail(child, log);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, name) => resolve(name === null ? `exit code ${code}` : `signal ${name}`));
  });
  void ended.then(() => log.end());
  const running: RunningChild = {
    pid: child.pid ?? -1,
    ended,
    tail: () => lastLines.join('\n'),
    stop: (graceMs) => stopChild(child, ended, graceMs),
  };
  try {
    await whenReady(spec, child, ended, timeoutMs, signal);
    return running;
  } catch (error) {
    await running.stop(2000);
    const reason = error instanceof Error ? error.message : String(error);
    const detail = `${spec.name}: ${reason}.\n${running.tail()}`.trimEnd();
    throw new ConsiliumError('UP_CHILD_FAILED', detail, { where: spec.logFile, cause: error });
  }
}

async function whenReady(
  spec: ChildSpec,
  child: ChildProcess,
  ended: Promise<string>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const line = async () => {
    const next = await lines.next();
    if (next.done === true) throw new Error(`it ended (${await ended})`);
    return next.value;
  };
  let timer: NodeJS.Timeout | undefined;
  const cut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it was not ready within ${timeoutMs / 1000} s`)), timeoutMs);
    signal.addEventListener('abort', () => reject(new Error('it was stopped while starting')), {
      once: true,
    });
    void ended.then((how) => reject(new Error(`it ended (${how})`)));
  });
  cut.catch(() => undefined);
  try {
    await Promise.race([spec.ready(line), cut]);
  } finally {
    clearTimeout(timer);
  }
  // Nothing more is expected there, but a full pipe would block the program.
  void (async () => {
    while ((await lines.next()).done !== true);
  })().catch(() => undefined);
}

function keepTail(child: ChildProcess, log: WriteStream): string[] {
  const last: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => {
    last.push(line);
    if (last.length > tailLines) last.shift();
    if (!log.writableEnded) log.write(`${line}\n`);
  });
  return last;
}

async function stopChild(child: ChildProcess, ended: Promise<string>, graceMs: number): Promise<void> {
  child.stdin?.end();
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended;
  clearTimeout(timer);
}
