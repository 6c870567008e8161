#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { createLogger, runService, serveHealth } from '@consilium/platform';
import { ConsiliumError, exitCodes, productVersion } from '@consilium/protocol';
import { type RunningCombiner, startCombiner } from './combiner.js';
import { type CombinerConfig, readCombinerConfig, readCombinerConfigWithEnvironment } from './config.js';

const usage = `Usage: combiner --config FILE | --env [--config FILE] [--die-with-parent]

Takes part in a Consilium alliance as a combiner. FILE is JSON; services/combiner/README.md lists its fields.
Prints one line of JSON when it is ready: {"ready":true}

  --env               every key can be set, and those of FILE overridden, by CONSILIUM_<KEY>: CONSILIUM_NATS__SERVERS
  --die-with-parent   end when standard input ends, so that nothing outlives its supervisor
`;

interface Arguments {
  readonly config: string | undefined;
  readonly env: boolean;
}

function readArguments(): Arguments | 'help' | 'version' {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string' },
        env: { type: 'boolean', default: false },
        'die-with-parent': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    if (values.version) return 'version';
    if (values.config === undefined && !values.env) {
      throw new ConsiliumError('USAGE', '--config is missing.');
    }
    return { config: values.config, env: values.env };
  } catch (error) {
    if (error instanceof ConsiliumError) throw error;
    throw new ConsiliumError('USAGE', error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

/** Nobody reads any more: the ends of pipes may close in any order when a supervisor dies. */
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

try {
  const given = readArguments();
  if (given === 'help') process.stdout.write(usage);
  else if (given === 'version') process.stdout.write(`${productVersion}\n`);
  else await serve(await configOf(given));
} catch (error) {
  const known = error instanceof ConsiliumError ? error : undefined;
  process.stderr.write(`${known === undefined ? String(error) : JSON.stringify(known.toBody())}\n`);
  process.exitCode = known?.exit ?? exitCodes.failure;
}

async function configOf({ config, env }: Arguments): Promise<CombinerConfig> {
  return env || config === undefined
    ? readCombinerConfigWithEnvironment(config, process.env)
    : readCombinerConfig(config);
}

async function serve(config: CombinerConfig): Promise<void> {
  const level = config.log_level === undefined ? {} : { level: config.log_level };
  const log = createLogger({ service: `combiner-${config.combiner}`, ...level });
  runService({
    log,
    start: async ({ signal }) => {
      let running: RunningCombiner | undefined;
      // Before the start, which may wait for NATS: that is no reason to be restarted.
      const health =
        config.health && (await serveHealth(config.health, () => ({ ready: running?.isReady() ?? false })));
      running = await startCombiner(config, { log, signal });
      process.stdout.write('{"ready":true}\n');
      return { running, health };
    },
    stop: async ({ running, health }) => {
      await running.stop();
      await health?.close();
    },
  });
}
