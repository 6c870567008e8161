#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { createLogger, runService } from '@consilium/platform';
import { ConsiliumError, exitCodes, productVersion } from '@consilium/protocol';
import { startCombiner } from './combiner.js';
import { readCombinerConfig } from './config.js';

const usage = `Usage: combiner --config FILE [--die-with-parent]

Takes part in a Consilium alliance as a combiner. FILE is JSON; services/combiner/README.md lists its fields.
Prints one line of JSON when it is ready: {"ready":true}

  --die-with-parent   end when standard input ends, so that nothing outlives its supervisor
`;

function readArguments(): { config: string } | 'help' | 'version' {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string' },
        'die-with-parent': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    if (values.version) return 'version';
    if (values.config === undefined) throw new ConsiliumError('USAGE', '--config is missing.');
    return { config: values.config };
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
  else await serve(given.config);
} catch (error) {
  const known = error instanceof ConsiliumError ? error : undefined;
  process.stderr.write(`${known === undefined ? String(error) : JSON.stringify(known.toBody())}\n`);
  process.exitCode = known?.exit ?? exitCodes.failure;
}

async function serve(file: string): Promise<void> {
  const config = await readCombinerConfig(file);
  const level = config.log_level === undefined ? {} : { level: config.log_level };
  const log = createLogger({ service: `combiner-${config.combiner}`, ...level });
  runService({
    log,
    start: async ({ signal }) => {
      const running = await startCombiner(config, { log, signal });
      process.stdout.write('{"ready":true}\n');
      return running;
    },
    stop: (running) => running.stop(),
  });
}
