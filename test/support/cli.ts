import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Everything that the command line remembers lies below it. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** Sent once standard error contains the text. */
  readonly signal?: { readonly name: NodeJS.Signals; readonly after: string };
}

const main = fileURLToPath(import.meta.resolve('@consilium/cli/main'));

/** Runs `consilium` as a process of its own, with nothing of this process's settings. */
export function consilium(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const { home, env, cwd, input, signal } = options;
  const child = spawn(process.execPath, [main, ...args], {
    cwd: cwd ?? home,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      XDG_CACHE_HOME: process.env.XDG_CACHE_HOME,
      XDG_CONFIG_HOME: join(home, 'config'),
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let isSent = signal === undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (isSent || signal === undefined || !stderr.includes(signal.after)) return;
    isSent = true;
    child.kill(signal.name);
  });
  // A command that asks for nothing may have ended before it is written to.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
