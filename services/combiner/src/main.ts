#!/usr/bin/env node
import { serveHealth, serviceMain } from '@consilium/platform';
import { type RunningCombiner, startCombiner } from './combiner.js';
import { readCombinerConfig, readCombinerConfigWithEnvironment } from './config.js';

const usage = `Usage: combiner --config FILE | --env [--config FILE] [--die-with-parent]

Takes part in a Consilium alliance as a combiner. FILE is JSON; services/combiner/README.md lists its fields.
Prints one line of JSON when it is ready: {"ready":true}

  --env               every key can be set, and those of FILE overridden, by CONSILIUM_<KEY>: CONSILIUM_NATS__SERVERS
  --die-with-parent   end when standard input ends, so that nothing outlives its supervisor
`;

await serviceMain({
  usage,
  read: readCombinerConfig,
  readWithEnvironment: readCombinerConfigWithEnvironment,
  name: ({ combiner }) => `combiner-${combiner}`,
  start: async (config, { log, signal }) => {
    let running: RunningCombiner | undefined;
    // Before the start, which may wait for NATS: that is no reason to be restarted.
    const health =
      config.health && (await serveHealth(config.health, () => ({ ready: running?.isReady() ?? false })));
    running = await startCombiner(config, { log, signal });
    return { running, health };
  },
  stop: async ({ running, health }) => {
    await running.stop();
    await health?.close();
  },
});
