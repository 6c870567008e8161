import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import type { ContextOptions } from './contexts.js';
import { createOutput, type Output } from './output.js';

/** Options that every command takes. */
export interface GlobalOptions extends ContextOptions {
  readonly json?: boolean;
}

/** Adds the options that every command takes, so that they may stand before or after its name. */
export function withGlobals(command: Command): Command {
  return command
    .option('--json', 'results as JSON, one value a line')
    .option('--context <name>', 'the reducer to talk to, as named by login')
    .option('--url <url>', 'address of a reducer, instead of a context (or CONSILIUM_URL)')
    .option('--token <token>', 'API token, instead of a context (or CONSILIUM_TOKEN)');
}

export interface Session {
  readonly out: Output;
  /** The reducer of the chosen context. */
  api(): Promise<ApiClient>;
}

/** What an action of a command starts with. */
export function openSession(command: Command): Session {
  const options = command.optsWithGlobals<GlobalOptions>();
  const out = createOutput(options.json === true);
  const api = async () => {
    const { ApiClient } = await import('./api-client.js');
    const { resolveContext } = await import('./contexts.js');
    return new ApiClient(await resolveContext(options));
  };
  return { out, api };
}

/** `--set a=1 --set b=2` as a list. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
