import { readFile } from 'node:fs/promises';
import { parseSize } from '@consilium/package-runner';
import { ConsiliumError, isName, reducerHub } from '@consilium/protocol';
import { Command, InvalidArgumentError, Option } from 'commander';
import { bootstrapAlliance } from '../bootstrap/bootstrap.js';
import { openSession } from '../core/command.js';

interface BootstrapOptions {
  readonly out: string;
  readonly reducers: number;
  readonly combiners: number;
  readonly services: readonly string[];
  readonly reducerNames: readonly string[];
  readonly natsDir: string;
  readonly maxFile: number;
}

export function bootstrapCommand(): Command {
  const option = (flags: string, text: string, variable: string) =>
    new Option(flags, text).env(`CONSILIUM_BOOTSTRAP_${variable}`);
  return new Command('bootstrap')
    .description('make keys, credentials and configuration for services that run in containers')
    .addOption(option('-o, --out <folder>', 'gets one folder for each service', 'OUT').default('./bootstrap'))
    .addOption(
      option('--reducers <n>', 'credentials reducer-1 to reducer-n', 'REDUCERS').argParser(count).default(1),
    )
    .addOption(
      option('--combiners <n>', 'credentials combiner-1 to combiner-n', 'COMBINERS')
        .argParser(count)
        .default(2),
    )
    .addOption(
      option('--reducer-names <names>', 'names of further reducers, separated by commas', 'REDUCER_NAMES')
        .argParser(names)
        .default([], 'none'),
    )
    .addOption(
      option('--services <names>', 'names of further combiners, separated by commas', 'SERVICES')
        .argParser(names)
        .default([], 'none'),
    )
    .addOption(
      option('--nats-dir <folder>', 'where nats-server keeps its data, as it sees it', 'NATS_DIR').default(
        '/var/lib/nats',
      ),
    )
    .addOption(
      option('--max-file <size>', "JetStream's disk space; counts on the first run", 'MAX_FILE')
        .argParser(size)
        .default(10 * 2 ** 30, '10 GiB'),
    )
    .addHelpText(
      'after',
      '\nRun it again at any time: keys are kept, what is missing is added.\n\nExample:\n  consilium bootstrap --out ./bootstrap --combiners 2',
    )
    .action(async (options: BootstrapOptions, command: Command) => {
      await bootstrap(options, command);
    });
}

async function bootstrap(options: BootstrapOptions, command: Command): Promise<void> {
  const { out } = openSession(command);
  const accessKey = await secretOf('CONSILIUM_STORE__ACCESS_KEY', process.env);
  const secretKey = await secretOf('CONSILIUM_STORE__SECRET_KEY', process.env);
  const alliance = await bootstrapAlliance({
    out: options.out,
    reducers: [...numbered('reducer', options.reducers), ...options.reducerNames],
    combiners: [...numbered('combiner', options.combiners), ...options.services],
    natsDir: options.natsDir,
    maxFile: options.maxFile,
    ...(accessKey === undefined ? {} : { accessKey }),
    ...(secretKey === undefined ? {} : { secretKey }),
    now: Date.now(),
  });
  const { adminToken, reducerKey, account } = alliance;
  const lines = [
    `keys and configuration are in ${alliance.out}`,
    `trail key   ${reducerKey}`,
    ...(adminToken === undefined ? [] : [`admin token, shown only now: ${adminToken}`]),
  ];
  out.result({ admin_token: adminToken ?? null, reducer_key: reducerKey, account }, lines.join('\n'));
  await alliance.keepAdminToken();
}

/** The value of a variable, or of the file that the variable with `_FILE` names. */
async function secretOf(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const file = env[`${name}_FILE`];
  if (file === undefined || file === '') return env[name] || undefined;
  try {
    return (await readFile(file, 'utf8')).trimEnd();
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ConsiliumError('CLI_FILE', `${detail}.`, { where: `environment variable ${name}_FILE`, cause });
  }
}

function numbered(kind: string, many: number): string[] {
  return Array.from({ length: many }, (_, index) => `${kind}-${index + 1}`);
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 1000) return value;
  throw new InvalidArgumentError('expected a whole number up to 1000');
}

function names(text: string): string[] {
  const all = text.split(',').map((name) => name.trim());
  const wrong = all.find((name) => !isName(name) || name === reducerHub);
  if (wrong === undefined) return all;
  throw new InvalidArgumentError(`"${wrong}" is no name: 1 to 63 of a-z, 0-9 and -`);
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new InvalidArgumentError('expected a size such as 10 GiB');
}
