import type { NatsBootstrap } from '../keys/bootstrap/bootstrap.js';

/** Command line of nats-server for a bootstrapped folder. */
export function natsServerArgs(bootstrap: Pick<NatsBootstrap, 'configFile'>): string[] {
  return ['--config', bootstrap.configFile];
}
