import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Ends the nats-server whose process id is in the file, if it still runs with that configuration:
 * SIGTERM, and SIGKILL after `grace` ms. It would hold the ports and the JetStream folder.
 */
export async function endLeftover(pidFile: string, config: string, grace: number): Promise<void> {
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10);
  if (!Number.isSafeInteger(pid) || pid <= 1 || !(await isOurs(pid, config))) return;
  for (const [signal, wait] of [
    ['SIGTERM', grace],
    ['SIGKILL', 2_000],
  ] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return; // it has just ended
    }
    for (let waited = 0; waited < wait; waited += 50) {
      if (!(await isOurs(pid, config))) return;
      await sleep(50);
    }
  }
}

/** Process ids are used again; the command line says whether this one is still the server meant. */
async function isOurs(pid: number, config: string): Promise<boolean> {
  try {
    const { stdout } = await run('ps', ['-ww', '-o', 'stat=,args=', '-p', String(pid)]);
    return stdout.includes(config) && !stdout.startsWith('Z');
  } catch {
    return false; // ps fails when there is no such process
  }
}
