#!/usr/bin/env node
import { serviceMain } from '@consilium/platform';
import { readReducerConfig, readReducerConfigWithEnvironment } from './config.js';
import { startReducer } from './start.js';

const usage = `Usage: reducer --config FILE | --env [--config FILE] [--die-with-parent]

Runs a Consilium reducer. FILE is JSON; see docs/reference/services.md. Prints one line of JSON when it is ready:
{"ready":true,"url":"http://127.0.0.1:8080","key":"U…"}

  --env               every key can be set, and those of FILE overridden, by CONSILIUM_<KEY>: CONSILIUM_NATS__SERVERS
  --die-with-parent   end when standard input ends, so that nothing outlives its supervisor
`;

await serviceMain({
  usage,
  read: readReducerConfig,
  readWithEnvironment: readReducerConfigWithEnvironment,
  name: ({ reducer }) => reducer,
  start: (config, { log, signal }) => startReducer(config, { log, signal }),
  ready: ({ url, publicKey }) => ({ url, key: publicKey }),
  stop: (running) => running.stop(),
});
