#!/usr/bin/env node
import { createLogger, runService } from '@consilium/platform';
import { asConsiliumError, productVersion } from '@consilium/protocol';
import { type ClientArguments, readArguments, usage } from './args.js';
import { loadClientConfig } from './config/load.js';
import { startClient } from './start.js';

function readOrExit(): ClientArguments {
  try {
    const args = readArguments(process.argv.slice(2));
    if (args.help || args.version) {
      process.stdout.write(args.help ? usage : `${productVersion}\n`);
      process.exit(0);
    }
    return args;
  } catch (thrown) {
    const error = asConsiliumError(thrown);
    process.stderr.write(`${error.code}: ${error.message}\n\n${usage}`);
    process.exit(error.exit);
  }
}

const args = readOrExit();
const log = createLogger({ service: 'client' });

runService({
  log,
  // Interrupted tasks are reported within ten seconds, then come the connections.
  grace: 20_000,
  start: async ({ requestStop }) => {
    const { config, file, notices } = await loadClientConfig(
      args.config,
      args.name === undefined ? {} : { name: args.name },
    );
    log.level = config.log_level;
    for (const notice of notices) log.warn({ file }, notice);
    const client = await startClient(config, { log });
    client.connected.then(
      () => {
        const line = { ready: true, client: client.name };
        if (args.readyLine) process.stdout.write(`${JSON.stringify(line)}\n`);
      },
      () => undefined, // `ended` rejects with the same error
    );
    client.ended.catch((error: unknown) => requestStop('the client cannot go on', error));
    return client;
  },
  stop: (client) => client.stop(),
});
