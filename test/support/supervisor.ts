/**
 * A stand-in for a supervisor, to be killed: starts nats-server under its wrapper, says the wrapper's
 * process id, and then does nothing.
 *
 *   node supervisor.js <nats-server> <arguments…>
 */
import { spawnNatsServer } from '@consilium/platform';

const [binary = '', ...args] = process.argv.slice(2);
const child = spawnNatsServer(binary, args);
process.stdout.write(`${child.pid}\n`);
child.on('exit', (code) => process.exit(code ?? 1));
