import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** False, or why tests that look for processes are skipped. */
export const skipProcesses: string | false =
  process.platform === 'linux' ? false : 'needs /proc, to see which processes are left';

export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  /** Such as `reducer-1`, `nats-server`, `site-2`; the program's file name for anything else. */
  readonly name: string;
  readonly args: readonly string[];
}

/**
 * All living processes, but this one, whose command line or environment names the folder. Services inherit the
 * variable that `Federation` sets; a sandboxed task has no environment of ours, but its folders as arguments.
 */
export function processesOf(folder: string): SeenProcess[] {
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
      const isOurs = args.join('\0').includes(folder) || environmentOf(pid).includes(folder);
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (!isOurs || state === 'Z') return [];
      return [{ pid, parent: Number(parent), name: nameOf(args), args }];
    } catch {
      return []; // ended while we looked
    }
  });
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

function nameOf(args: readonly string[]): string {
  const has = (end: string) => args.some((arg) => arg.endsWith(end));
  if (has('support/guard.js')) return 'guard';
  if (has('nats-server/wrapper.js')) return 'nats-wrapper';
  if (has('store-server/dist/main.js')) return 'store-server';
  const config = args[args.indexOf('--config') + 1] ?? '';
  if (config.endsWith('.json')) return basename(config, '.json');
  const site = args.find((arg) => arg.endsWith('/client.yaml'));
  if (site !== undefined && !has('bwrap')) return basename(site.slice(0, -'/client.yaml'.length));
  if (has('bin/consilium.js'))
    return args[args.findIndex((arg) => arg.endsWith('bin/consilium.js')) + 1] ?? '';
  return basename(args[0] ?? '').replace(/^(nats-server).*/, '$1');
}

/** Waits until none of the folder's processes passes the filter. @throws with what is left after 30 s */
export async function noneLeft(
  folder: string,
  matters: (seen: SeenProcess) => boolean = () => true,
): Promise<void> {
  const end = Date.now() + 30_000;
  for (;;) {
    const left = processesOf(folder).filter(matters);
    if (left.length === 0) return;
    if (Date.now() > end) {
      const lines = left.map(({ pid, name, args }) => `${pid} ${name}: ${args.join(' ').slice(0, 300)}`);
      throw new Error(`still running after 30 s:\n${lines.join('\n')}`);
    }
    await sleep(100);
  }
}
