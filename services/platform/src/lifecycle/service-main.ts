import { parseArgs } from 'node:util';
import { asConsiliumError, ConsiliumError, productVersion } from '@consilium/protocol';
import { createLogger, type Logger } from '../log/index.js';
import { runService, type ServiceContext } from './run-service.js';

/** What a service adds to a program with `--config FILE`, `--env`, `--die-with-parent`, `--help`, `--version`. */
export interface ServiceMain<C extends { readonly log_level?: string | undefined }, R> {
  readonly usage: string;
  /** Reads the configuration from its file. */
  readonly read: (file: string) => Promise<C>;
  /** For `--env`: the file, if there is one, overridden by the environment. */
  readonly readWithEnvironment: (file: string | undefined, env: NodeJS.ProcessEnv) => Promise<C>;
  /** Name of this instance in the log. */
  readonly name: (config: C) => string;
  readonly start: (config: C, context: ServiceContext & { readonly log: Logger }) => Promise<R>;
  readonly stop: (running: R) => Promise<void>;
  /** What the line on standard output says beside `"ready":true`. */
  readonly ready?: (running: R) => Readonly<Record<string, unknown>>;
}

export interface ServiceArguments {
  readonly config: string | undefined;
  readonly env: boolean;
}

/** @throws ConsiliumError USAGE */
export function readServiceArguments(args: readonly string[]): ServiceArguments | 'help' | 'version' {
  const { values } = parse(args);
  if (values.help) return 'help';
  if (values.version) return 'version';
  if (values.config === undefined && !values.env) {
    throw new ConsiliumError('USAGE', '--config is missing.');
  }
  return { config: values.config, env: values.env };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: { type: 'string' },
        env: { type: 'boolean', default: false },
        // Looked for by runService.
        'die-with-parent': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', default: false },
      },
    });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ConsiliumError('USAGE', detail, { cause });
  }
}

/**
 * The whole program of a service: reads its arguments and configuration, runs it, prints one line of JSON once it
 * is ready. An error before the start is one line of JSON on standard error; the exit code is the error's.
 */
export async function serviceMain<C extends { readonly log_level?: string | undefined }, R>(
  service: ServiceMain<C, R>,
): Promise<void> {
  // Nobody reads any more: the ends of pipes may close in any order when a supervisor dies.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const given = readServiceArguments(process.argv.slice(2));
    if (given === 'help') process.stdout.write(service.usage);
    else if (given === 'version') process.stdout.write(`${productVersion}\n`);
    else await serve(service, given);
  } catch (error) {
    const known = asConsiliumError(error);
    process.stderr.write(`${JSON.stringify(known.toBody())}\n`);
    process.exitCode = known.exit;
  }
}

async function serve<C extends { readonly log_level?: string | undefined }, R>(
  service: ServiceMain<C, R>,
  { config: file, env }: ServiceArguments,
): Promise<void> {
  const config =
    env || file === undefined
      ? await service.readWithEnvironment(file, process.env)
      : await service.read(file);
  const level = config.log_level === undefined ? {} : { level: config.log_level };
  const log = createLogger({ service: service.name(config), ...level });
  runService({
    log,
    start: async (context) => {
      const running = await service.start(config, { ...context, log });
      process.stdout.write(`${JSON.stringify({ ready: true, ...service.ready?.(running) })}\n`);
      return running;
    },
    stop: service.stop,
  });
}
