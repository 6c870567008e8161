#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { asConsiliumError, ConsiliumError } from '@consilium/protocol';
import { startStoreServer } from './server.js';

const usage = `Usage: store-server --root FOLDER [--host 127.0.0.1] [--port 0] [--key-file FILE] [--die-with-parent]

Serves FOLDER as an object store. The service credentials, at least 32 characters each, come one a line from the
key file, or from CONSILIUM_STORE_KEY separated by commas. Prints one line of JSON when it is ready:
{"ready":true,"url":"http://127.0.0.1:40123"}

  --die-with-parent   end when standard input ends, so that nothing outlives its supervisor
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      root: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      'key-file': { type: 'string' },
      'die-with-parent': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const { root, host, 'key-file': keyFile } = values;
  if (root === undefined) throw new ConsiliumError('USAGE', '--root is missing.');
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN;
  if (!(port <= 65535)) throw new ConsiliumError('USAGE', `--port ${values.port} is not a port.`);
  const keys = await readKeys(keyFile);

  // Watched before anything is started: a parent that dies now must not leave a server behind.
  const end = new Promise<string>((resolve) => {
    process.once('SIGTERM', () => resolve('SIGTERM'));
    process.once('SIGINT', () => resolve('SIGINT'));
    if (!values['die-with-parent']) return;
    process.stdin.once('end', () => resolve('standard input ended'));
    process.stdin.once('error', () => resolve('standard input failed'));
    process.stdin.resume();
  });

  const server = await startStoreServer({ root, host, port, keys, log });
  process.stdout.write(`${JSON.stringify({ ready: true, url: server.url })}\n`);
  log('info', 'stopping', { reason: await end });
  await server.stop();
}

async function readKeys(file: string | undefined): Promise<string[]> {
  const text = file === undefined ? process.env.CONSILIUM_STORE_KEY : await readFile(file, 'utf8');
  const keys = (text ?? '').split(/[\n,]/).map((key) => key.trim());
  return keys.filter((key) => key !== '');
}

function log(level: string, message: string, fields: Record<string, unknown>): void {
  process.stderr.write(
    `${JSON.stringify({ level, time: new Date().toISOString(), msg: message, ...fields })}\n`,
  );
}

// Nobody reads any more: the ends of pipes may close in any order when a supervisor dies.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

main().then(
  () => process.exit(0),
  (thrown: unknown) => {
    const badArguments =
      thrown instanceof TypeError && String((thrown as { code?: string }).code).startsWith('ERR_PARSE_ARGS');
    const error = badArguments
      ? new ConsiliumError('USAGE', thrown.message, { cause: thrown })
      : asConsiliumError(thrown);
    process.stderr.write(`${JSON.stringify({ level: 'fatal', ...error.toBody() })}\n`);
    process.exit(error.exit);
  },
);
