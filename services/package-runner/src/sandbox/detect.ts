import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { ConsiliumError } from '@consilium/protocol';
import type { Isolation } from '../contract.js';
import { bubblewrapArguments } from './bubblewrap.js';

const run = promisify(execFile);

/** What this machine can do. */
export interface IsolationStatus {
  readonly isolation: Isolation;
  /** For `bubblewrap`: the program. */
  readonly bwrap?: string;
  /** Version of bubblewrap, or why there is none. */
  readonly detail: string;
}

/** What the site demands: whatever there is (and it is said), bubblewrap, or no sandbox at all. */
export type IsolationDemand = 'any' | 'sandbox' | 'process';

let known: Promise<IsolationStatus> | undefined;

/** Really starts a sandbox once, and remembers the outcome for this process. */
export function detectIsolation(): Promise<IsolationStatus> {
  known ??= probe();
  return known;
}

async function probe(): Promise<IsolationStatus> {
  if (process.platform !== 'linux')
    return { isolation: 'process', detail: `bubblewrap needs Linux, this is ${process.platform}` };
  const bwrap = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'].find((path) => existsSync(path));
  if (bwrap === undefined) return { isolation: 'process', detail: 'bubblewrap is not installed' };
  const view = { readOnly: [], writable: [], hidden: [], network: false, devices: false, cwd: '/' };
  const options = { env: { PATH: '/usr/bin:/bin' }, timeout: 10_000 };
  try {
    await run(
      bwrap,
      [...bubblewrapArguments(view), 'sh', '-c', 'test ! -e /home && test -e /proc/1'],
      options,
    );
    const { stdout } = await run(bwrap, ['--version'], options);
    return { isolation: 'bubblewrap', bwrap, detail: stdout.trim() };
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const reason = stderr?.trim().split('\n').at(-1);
    return { isolation: 'process', detail: reason === undefined || reason === '' ? message : reason };
  }
}

/** @throws ConsiliumError PKG_ISOLATION_UNAVAILABLE naming what is demanded and what there is. */
export function chooseIsolation(demand: IsolationDemand, status: IsolationStatus): Isolation {
  if (demand === 'process') return 'process';
  if (demand === 'sandbox' && status.isolation !== 'bubblewrap') {
    const detail = `The policy demands "sandbox" (bubblewrap); this machine gives "${status.isolation}": ${status.detail}.`;
    throw new ConsiliumError('PKG_ISOLATION_UNAVAILABLE', detail, { where: 'policy.isolation' });
  }
  return status.isolation;
}
