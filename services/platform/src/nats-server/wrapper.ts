/**
 * Runs nats-server as a child that cannot outlive the supervisor:
 *
 *   node wrapper.js <nats-server> <arguments…>
 *
 * The supervisor keeps the wrapper's standard input open. When that pipe closes, by a stop in order or
 * because the supervisor was killed with -9, the wrapper ends nats-server: SIGTERM, and SIGKILL after
 * ten seconds. When nats-server ends by itself, the wrapper exits with its code (128 + n for signal n).
 *
 * A wrapper that is itself killed with -9 can end nothing. So each leaves nats-server's process id beside
 * the configuration, and the next one for that configuration ends what is still there before it starts.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { endLeftover } from './leftover.js';

const GRACE = 10_000;

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  process.stderr.write('usage: wrapper.js <nats-server> <arguments...>\n');
  process.exit(2);
}

const config = args[args.indexOf('--config') + 1];
const pidFile = config === undefined || !args.includes('--config') ? undefined : `${config}.pid`;
if (pidFile !== undefined && config !== undefined) await endLeftover(pidFile, config, GRACE);

const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
if (pidFile !== undefined && child.pid !== undefined)
  writeFileSync(pidFile, `${child.pid}\n`, { mode: 0o600 });
let stopping = false;

function stop(): void {
  if (stopping) return;
  stopping = true;
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), GRACE).unref();
}

child.on('error', (error) => {
  process.stderr.write(`nats-server could not be started: ${error.message}\n`);
  process.exit(127);
});
child.on('exit', (code, signal) => {
  const number = signal === null ? 0 : constants.signals[signal];
  process.exit(code ?? 128 + number);
});

process.stdin.on('end', stop);
process.stdin.on('close', stop);
process.stdin.on('error', stop);
process.stdin.resume();
// A Ctrl-C in a terminal reaches the whole group; the supervisor decides the order of the end by closing the pipe.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', stop);
