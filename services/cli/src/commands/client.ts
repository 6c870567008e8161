import { clientViewSchema } from '@consilium/protocol';
import { Command } from 'commander';
import { z } from 'zod';
import { openSession } from '../core/command.js';
import { table } from '../core/output.js';

interface RunOptions {
  readonly in: string;
  readonly name?: string;
}

/** `consilium client` runs a client; `consilium client list|revoke` are the same as `consilium clients …`. */
export function clientCommand(): Command {
  const command = new Command('client')
    .description('run a client in the foreground; list and shut out clients')
    .option('-i, --in <file>', 'configuration of this site (-in works too)', 'client.yaml')
    .option('--name <name>', 'another name than the file says')
    .addHelpText(
      'after',
      [
        '\nExamples:',
        '  consilium client -i client.yaml',
        '  consilium client -in client.yaml --name site-2',
        '  consilium client list',
        '  consilium client revoke site-2',
      ].join('\n'),
    )
    .action(runClient);
  // As FEDn's users type it; the options are those of `client`.
  command.command('start', { hidden: true }).action(runClient);
  return withFleet(command);
}

export function clientsCommand(): Command {
  const command = new Command('clients')
    .description('list the clients, or shut one out')
    .addHelpText('after', '\nExamples:\n  consilium clients\n  consilium clients revoke site-2')
    .action(listClients);
  return withFleet(command);
}

function withFleet(command: Command): Command {
  command
    .command('list')
    .description('all clients that ever enrolled')
    .addHelpText('after', '\nExample:\n  consilium clients list')
    .action(listClients);
  command
    .command('revoke')
    .description('shut a client out for good (admin)')
    .argument('<name>')
    .addHelpText('after', '\nExample:\n  consilium clients revoke site-2')
    .action(revokeClient);
  return command;
}

async function runClient(_: unknown, command: Command): Promise<void> {
  const { loadClientConfig, startClient } = await import('@consilium/client');
  const { createLogger, runService } = await import('@consilium/platform');
  const options = command.optsWithGlobals<RunOptions>();
  const env = { ...process.env };
  // In the client's environment CONSILIUM_TOKEN is the join token; here it may be a person's API token.
  if (env.CONSILIUM_TOKEN?.startsWith('cat_') === true) delete env.CONSILIUM_TOKEN;
  const name = options.name === undefined ? {} : { name: options.name };
  const { config, file, notices } = await loadClientConfig(options.in, { ...name, env });
  const { out } = openSession(command);
  const log = createLogger({ service: 'client', level: process.env.CONSILIUM_LOG_LEVEL ?? config.log_level });
  for (const notice of notices) log.warn({ file }, notice);
  runService({
    log,
    // Interrupted tasks are reported within ten seconds, then come the connections.
    grace: 20_000,
    start: async ({ requestStop }) => {
      const client = await startClient(config, { log });
      client.connected.then(
        () =>
          out.result({ ready: true, client: client.name, key: client.key }, `${client.name} is connected`),
        () => undefined, // `ended` rejects with the same error
      );
      client.ended.catch((error: unknown) => requestStop('the client cannot go on', error));
      return client;
    },
    stop: (client) => client.stop(),
  });
}

async function listClients(_: unknown, command: Command): Promise<void> {
  const { out, api } = openSession(command);
  const clients = await (await api()).get('/clients', z.array(clientViewSchema));
  out.result(clients, clients.length === 0 ? 'no client has enrolled yet' : clientTable(clients));
}

export function clientTable(clients: readonly z.infer<typeof clientViewSchema>[]): string {
  const state = (client: z.infer<typeof clientViewSchema>) =>
    client.revoked_at !== null ? 'revoked' : client.connected ? 'connected' : 'away';
  return table(
    ['name', 'state', 'combiner', 'isolation', 'accelerator', 'version'],
    clients.map((client) => [
      client.client,
      state(client),
      client.combiner ?? '-',
      client.capabilities.isolation ?? '-',
      client.capabilities.accelerator ?? '-',
      client.version,
    ]),
  );
}

async function revokeClient(name: string, _: unknown, command: Command): Promise<void> {
  const { out, api } = openSession(command);
  await (await api()).send(`/clients/${encodeURIComponent(name)}/revoke`, undefined);
  out.result(
    { revoked: name },
    `${name} is shut out: no new credentials, and its messages are refused from now on`,
  );
}
