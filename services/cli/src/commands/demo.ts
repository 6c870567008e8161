import { createLogger, parseStoreUrl } from '@consilium/platform';
import { Command } from 'commander';
import { openSession } from '../core/command.js';
import { type Output, table } from '../core/output.js';
import { type Demo, runDemo } from '../demo/demo.js';
import type { SupervisorEvent } from '../up/supervisor.js';

interface DemoFlags {
  readonly dir: string;
  readonly seed: string;
  readonly rounds: string;
  readonly combiners: string;
  readonly store?: string;
  readonly natsServer?: string;
  readonly keepRunning?: boolean;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('four unequal hospitals train one model on real data, on this machine')
    .option('-d, --dir <folder>', 'where everything is kept; emptied first', '.consilium-demo')
    .option('--seed <n>', 'seed of the data’s division and of the training', '0')
    .option('--rounds <n>', 'rounds of training', '12')
    .option('-c, --combiners <n>', 'how many combiners', '2')
    .option('--store <url>', 's3://key:secret@host:port instead of the filesystem store')
    .option('--nats-server <path>', 'nats-server to use; found or fetched if left out')
    .option('-k, --keep-running', 'leave platform and clients running until Ctrl-C')
    .addHelpText('after', '\nExample:\n  consilium demo --seed 3 --keep-running')
    .action(async (flags: DemoFlags, command: Command) => {
      await demo(flags, openSession(command).out);
    });
}

async function demo(flags: DemoFlags, out: Output): Promise<void> {
  out.say('Starting nats-server, object store, reducer, combiners and four hospitals on this machine.');
  const running = await runDemo(
    {
      dir: flags.dir,
      seed: Number(flags.seed),
      rounds: Number(flags.rounds),
      combiners: Number(flags.combiners),
      ...(flags.store === undefined ? {} : { store: parseStoreUrl(flags.store) }),
      ...(flags.natsServer === undefined ? {} : { natsServer: flags.natsServer }),
      log: createLogger({ service: 'demo', level: 'warn' }),
      onProcess: (event) => tell(event, out),
    },
    out,
  );
  try {
    const { result, platform } = running;
    out.result(
      { ...result, store: platform.store, trail_key: platform.reducerKey, nats: platform.nats },
      report(running, flags),
    );
    if (flags.keepRunning === true) {
      out.say(`\nStill running. Log in with: consilium login ${platform.url} --token ${running.token}`);
      out.say('Ctrl-C stops everything in order.');
      await new Promise<void>((done) => {
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => done());
      });
    }
  } finally {
    await running.stop();
  }
}

function tell(event: SupervisorEvent, out: Output): void {
  if (event.type === 'started') out.say(`  ${event.name} ${event.restarts === 0 ? 'is up' : 'is up again'}`);
  else if (event.type === 'died') out.say(`  ${event.name} died (${event.how}), starting it again`);
  else out.say(`  ${event.name} did not start: ${event.detail}`);
}

function report({ result, platform }: Demo, flags: DemoFlags): string {
  const { rows, session, seconds } = result;
  const cells = rows.map((row) => [row.model, row.examples, percent(row.accuracy), row.auc.toFixed(4)]);
  const place = flags.store === undefined ? `${flags.dir}/store` : 's3://key:secret@host:port';
  return [
    '',
    `Trained in ${seconds.federation.toFixed(1)} s, compared in ${seconds.comparison.toFixed(1)} s. On one common test set that no site trained on:`,
    '',
    table(['model', 'examples', 'accuracy', 'AUC'], cells),
    '',
    `The model trail lies in ${platform.store}, bucket consilium-models (${session.head.number + 1} models).`,
    'Look at it, and check every signature, digest and sum of it:',
    `  consilium trail show demo --store ${place}`,
    `  consilium trail verify --key ${platform.reducerKey} --store ${place}`,
    ...(flags.store === undefined ? [`  ls ${platform.store}/consilium-models/trail/demo`] : []),
    '',
    'Leave it running, with the API and its documentation:',
    `  make demo ARGS=--keep-running        (or, later: consilium up --dir ${flags.dir})`,
    '',
    'In a clone, consilium is: node services/cli/bin/consilium.js',
  ].join('\n');
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)}%`;
}
