import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createLogger, lockFolder, parseStoreUrl } from '@consilium/platform';
import { exitCodes } from '@consilium/protocol';
import { Command, InvalidArgumentError } from 'commander';
import { openSession } from '../core/command.js';
import type { Output } from '../core/output.js';
import { type RunningPlatform, startPlatform } from '../up/platform.js';
import type { SupervisorEvent } from '../up/supervisor.js';

interface UpOptions {
  readonly dir: string;
  readonly combiners: number;
  readonly port?: number;
  readonly store?: string;
  readonly natsServer?: string;
}

export function upCommand(): Command {
  return new Command('up')
    .description(
      'run the whole platform on this machine: NATS, object store, reducer, combiners (loopback only)',
    )
    .option('-d, --dir <folder>', 'where everything is kept; the next start goes on there', '.consilium')
    .option('-c, --combiners <n>', 'how many combiners', positive, 1)
    .option('-p, --port <port>', 'port of the API; chosen once and kept if left out', positive)
    .option('--store <url>', 's3://key:secret@host:port instead of the filesystem store')
    .option('--nats-server <path>', 'nats-server to use; found or fetched if left out')
    .addHelpText('after', '\nExample:\n  consilium up --dir ./alliance --combiners 2')
    .action(async (options: UpOptions, command: Command) => {
      await up(options, openSession(command).out);
    });
}

async function up(options: UpOptions, out: Output): Promise<void> {
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(dir, {
    file: 'up.lock',
    inUse: 'UP_RUNNING',
    holder: 'another `consilium up`',
    unwritable: 'UP_DIR_UNWRITABLE',
  });
  try {
    const log = createLogger({ service: 'up' });
    const platform = await startPlatform({
      dir,
      combiners: options.combiners,
      ...(options.port === undefined ? {} : { port: options.port }),
      ...(options.store === undefined ? {} : { store: parseStoreUrl(options.store) }),
      ...(options.natsServer === undefined ? {} : { natsServer: options.natsServer }),
      log,
      onEvent: (event) => tell(event, out),
    });
    greet(platform, out);
    const signal = await asked();
    out.say(`\n${signal}: stopping, last started first`);
    await platform.stop();
    out.say('everything has stopped; `consilium up` goes on where this left off');
  } finally {
    await lock.release();
  }
}

/** Resolves with the first signal that asks for an end; a second one ends the process at once. */
function asked(): Promise<string> {
  return new Promise((done) => {
    let asks = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        asks += 1;
        done(signal);
        // The programs end by themselves when their pipe to this process closes.
        if (asks > 1) process.exit(exitCodes.interrupted);
      });
    }
  });
}

function tell(event: SupervisorEvent, out: Output): void {
  if (event.type === 'started') {
    out.say(
      `  ${event.name.padEnd(14)} ${event.restarts === 0 ? 'is up' : 'is up again'} (pid ${event.pid})`,
    );
  } else if (event.type === 'died') {
    out.say(`  ${event.name.padEnd(14)} died (${event.how}), starting it again in ${event.delayMs} ms`);
  } else {
    out.say(`  ${event.name.padEnd(14)} did not start: ${event.detail}`);
  }
}

function greet(platform: RunningPlatform, out: Output): void {
  const { url, reducerKey, adminToken, store, dir, nats } = platform;
  const token = adminToken ?? '<the token printed on the first start>';
  const text = [
    '',
    'Consilium is up.',
    `  API          ${url}/api/v1   (documentation: ${url}/docs)`,
    `  model trail  ${store}`,
    `  trail key    ${reducerKey}`,
    `  nats-server  ${nats.version} (${nats.origin}: ${nats.binary})`,
    `  logs         ${dir}/logs`,
    ...(adminToken === undefined ? [] : ['', `  admin token, shown only now: ${adminToken}`]),
    '',
    'Next:',
    `  consilium login ${url} --token ${token}`,
    '  consilium package key          (makes your publisher key, which client.yaml then allows)',
    '  consilium client-config create --name site-1 --data ./data > client.yaml',
    '  consilium client -i client.yaml',
    '',
    'Ctrl-C stops everything in order.',
  ].join('\n');
  const { pids: _, stop: __, ...facts } = platform;
  out.result({ ready: true, ...facts, admin_token: adminToken ?? null }, text);
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a positive whole number');
}
