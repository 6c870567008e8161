import { parseArgs } from 'node:util';
import { ConsiliumError } from '@consilium/protocol';

export interface ClientArguments {
  readonly config: string;
  readonly name: string | undefined;
  readonly readyLine: boolean;
  readonly help: boolean;
  readonly version: boolean;
}

export const usage = `Usage: consilium-client [-i client.yaml] [--name <name>]

  -i, --in, -in <file>   configuration of this site (default: client.yaml)
  --name <name>          another name than the file says
  --ready-line           print {"ready":true,"client":"<name>"} once connected
  --die-with-parent      stop when standard input ends
  --help, --version

Every key of client.yaml can be set by CONSILIUM_<KEY>, nested keys as CONSILIUM_DATA__PATH.
`;

/** @throws ConsiliumError USAGE */
export function readArguments(argv: readonly string[]): ClientArguments {
  // FEDn's users type `-in`, which would otherwise be read as `-i n`.
  const args = argv.map((arg) => (arg === '-in' ? '--in' : arg.replace(/^-in=/, '--in=')));
  try {
    const { values } = parseArgs({
      args,
      options: {
        in: { type: 'string', short: 'i', default: 'client.yaml' },
        name: { type: 'string' },
        'ready-line': { type: 'boolean', default: false },
        // Looked for by runService.
        'die-with-parent': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', default: false },
      },
    });
    const { in: config, name, help, version } = values;
    return { config, name, readyLine: values['ready-line'], help, version };
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ConsiliumError('USAGE', detail, { where: 'command line', cause });
  }
}
