import { readdir, readFile } from 'node:fs/promises';

/** What all processes of a task use together. */
export interface TreeUsage {
  /** Resident bytes. */
  readonly memory: number;
  readonly processes: number;
}

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly name: string;
}

/** Everything that descends from `root` or is in its session; empty where there is no `/proc`. */
export async function processTree(root: number): Promise<readonly ProcessStat[]> {
  const all = await allProcesses();
  const members = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const { pid, parent, session } of all) {
      if (members.has(pid) || !(members.has(parent) || session === root)) continue;
      members.add(pid);
      grown = true;
    }
  }
  return all.filter(({ pid }) => members.has(pid));
}

/** undefined where it cannot be measured. */
export async function treeUsage(root: number): Promise<TreeUsage | undefined> {
  const tree = await processTree(root);
  if (tree.length === 0) return undefined;
  const sizes = await Promise.all(tree.map(({ pid }) => residentBytes(pid)));
  return { memory: sizes.reduce((sum, size) => sum + size, 0), processes: tree.length };
}

/** Sends a signal to all processes of a tree except those with one of the names. */
export async function signalTree(
  root: number,
  signal: NodeJS.Signals,
  except: readonly string[],
): Promise<void> {
  for (const { pid, name } of await processTree(root)) {
    if (!except.includes(name)) trySignal(pid, signal);
  }
}

/**
 * Kills whatever still carries `marker` in its environment: daemons that left the process group.
 * It is looked for until it was not found twice: each may have started another meanwhile, and while
 * a process becomes another program its environment cannot be read for a moment.
 */
export async function killMarked(marker: string): Promise<void> {
  for (let round = 0, clean = 0; round < 40 && clean < 2; round += 1) {
    const found = await markedProcesses(marker);
    clean = found.length === 0 ? clean + 1 : 0;
    for (const pid of found) trySignal(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function markedProcesses(marker: string): Promise<number[]> {
  const pids = await processIds();
  const environments = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')),
  );
  return pids.filter(
    (pid, index) => pid !== process.pid && environments[index]!.split('\0').includes(marker),
  );
}

/** A signal to a process or, if negative, a group that may be gone already. */
export function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function processIds(): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

async function allProcesses(): Promise<ProcessStat[]> {
  const stats = await Promise.all((await processIds()).map(readStat));
  return stats.filter((stat) => stat !== undefined);
}

/** proc(5): pid (comm) state ppid pgrp session …; comm may hold blanks and parentheses. */
async function readStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const end = text.lastIndexOf(')');
  if (end < 0) return undefined;
  const [state, parent, , session] = text.slice(end + 2).split(' ');
  if (state === 'Z') return undefined;
  return {
    pid,
    parent: Number(parent),
    session: Number(session),
    name: text.slice(text.indexOf('(') + 1, end),
  };
}

async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return Number(/^VmRSS:\s*(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
}
