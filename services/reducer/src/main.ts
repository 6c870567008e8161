#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { createLogger, runService } from '@consilium/platform';
import { asConsiliumError, ConsiliumError, productVersion } from '@consilium/protocol';
import { type ReducerConfig, readReducerConfig, readReducerConfigWithEnvironment } from './config.js';
import { startReducer } from './start.js';

const usage = `Usage: reducer --config FILE | --env [--config FILE] [--die-with-parent]

Runs a Consilium reducer. FILE is JSON; see docs/reference/services.md. Prints one line of JSON when it is ready:
{"ready":true,"url":"http://127.0.0.1:8080","key":"U…"}

  --env               every key can be set, and those of FILE overridden, by CONSILIUM_<KEY>: CONSILIUM_NATS__SERVERS
  --die-with-parent   end when standard input ends, so that nothing outlives its supervisor
`;

// Nobody reads any more: the ends of pipes may close in any order when a supervisor dies.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

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
  if (values.help) process.stdout.write(usage);
  else if (values.version) process.stdout.write(`${productVersion}\n`);
  else if (values.env) await serve(await readReducerConfigWithEnvironment(values.config, process.env));
  else if (values.config === undefined) throw new ConsiliumError('USAGE', '--config is missing.');
  else await serve(await readReducerConfig(values.config));
} catch (error) {
  const isArguments =
    error instanceof TypeError && String((error as { code?: string }).code).startsWith('ERR_PARSE');
  const known = isArguments ? new ConsiliumError('USAGE', error.message) : asConsiliumError(error);
  process.stderr.write(`${JSON.stringify(known.toBody())}\n`);
  process.exitCode = known.exit;
}

async function serve(config: ReducerConfig): Promise<void> {
  const level = config.log_level === undefined ? {} : { level: config.log_level };
  const log = createLogger({ service: config.reducer, ...level });
  runService({
    log,
    start: async ({ signal }) => {
      const running = await startReducer(config, { log, signal });
      process.stdout.write(`${JSON.stringify({ ready: true, url: running.url, key: running.publicKey })}\n`);
      return running;
    },
    stop: (running) => running.stop(),
  });
}
