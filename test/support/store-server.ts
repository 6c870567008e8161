import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const storeKey = 'a-service-credential-for-tests-only-0123456789';

export interface StoreServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  kill(signal?: NodeJS.Signals): Promise<number | null>;
}

/** The store server's own process, as the supervisor starts it. `prefix` runs it under another program. */
export async function startStoreServerProcess(
  root: string,
  options: { readonly prefix?: readonly string[]; readonly args?: readonly string[] } = {},
): Promise<StoreServerProcess> {
  const main = fileURLToPath(import.meta.resolve('@consilium/store-server/main'));
  const [program = '', ...args] = [
    ...(options.prefix ?? []),
    process.execPath,
    main,
    '--root',
    root,
    '--die-with-parent',
    ...(options.args ?? []),
  ];
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, CONSILIUM_STORE_KEY: storeKey },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', (line) => {
      resolve((JSON.parse(line) as { url: string }).url);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`store server ended with ${code}: ${stderr}`)));
  });
  return {
    url,
    child,
    async kill(signal = 'SIGKILL') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return await exited;
    },
  };
}
