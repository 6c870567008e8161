/**
 * Runs a program that stays when its parent dies (`consilium up` is a person's), and kills it when this
 * process's standard input ends, so that a test process that is killed leaves nothing behind.
 *
 *   node guard.js <program> <arguments…>
 */
import { spawn } from 'node:child_process';

const [program = '', ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGKILL' ? 137 : 1)));
child.on('error', () => process.exit(127));
process.stdin.on('end', () => child.kill('SIGKILL')).resume();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
