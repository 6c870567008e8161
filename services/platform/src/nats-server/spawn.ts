import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The program that ties nats-server's life to the supervisor's. */
export const natsWrapper = fileURLToPath(new URL('./wrapper.js', import.meta.url));

/**
 * Starts nats-server under its wrapper. Close the child's standard input to end it. Standard error
 * carries nats-server's log.
 */
export function spawnNatsServer(binary: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [natsWrapper, binary, ...args], { stdio: ['pipe', 'ignore', 'pipe'] });
}
