import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import { prettyStream } from './pretty.js';

/** The logger that every service passes around: pino's `debug`, `info`, `warn`, `error`, `fatal`, `child`. */
export type Logger = PinoLogger;

export interface LoggerOptions {
  /** Name of the service, in every line. */
  readonly service: string;
  /** Defaults to `CONSILIUM_LOG_LEVEL`, then `info`. */
  readonly level?: string;
  /** Lines for people instead of JSON. Defaults to whether standard error is a terminal; `CONSILIUM_LOG_FORMAT=json|pretty` decides. */
  readonly pretty?: boolean;
  /** Where lines go; standard error by default, so that standard output stays for results. */
  readonly destination?: { write(line: string): unknown };
}

const LEVELS = new Set(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']);

/** Members that may hold a secret are never written, down to two levels of nesting. */
const SECRETS = ['seed', 'token', 'password', 'secret', 'authorization', 'jwt', 'creds'];

export function createLogger(options: LoggerOptions): Logger {
  const wanted = options.level ?? process.env.CONSILIUM_LOG_LEVEL ?? 'info';
  const level = LEVELS.has(wanted) ? wanted : 'info';
  const target = options.destination ?? process.stderr;
  const format = process.env.CONSILIUM_LOG_FORMAT;
  const pretty =
    options.pretty ?? (format === 'pretty' || (format !== 'json' && process.stderr.isTTY === true));
  const logger = pino(
    {
      level,
      base: { service: options.service },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[secret]' },
    },
    pretty ? prettyStream(target) : { write: (line: string) => void target.write(line) },
  );
  if (level !== wanted) logger.warn({ level: wanted }, 'unknown log level, using info');
  return logger;
}
