import { asConsiliumError, exitCodes } from '@consilium/protocol';
import type { Logger } from '../log/index.js';

export interface ServiceOptions<T> {
  readonly log: Logger;
  /** Starts the service. The signal fires when it shall stop before it has started. */
  readonly start: (context: ServiceContext) => Promise<T>;
  /** Ends it in order: takes nothing new, finishes what runs, closes what is open. */
  readonly stop: (running: T, reason: string) => Promise<void>;
  /** Milliseconds for `stop`; then the process ends anyway. Default 15,000. */
  readonly grace?: number;
  /** Arguments to look for `--die-with-parent` in. Default: those of the process. */
  readonly args?: readonly string[];
  /** The process; another object in tests. */
  readonly process?: ServiceProcess;
}

export interface ServiceContext {
  readonly signal: AbortSignal;
  /** Asks for an orderly stop from inside, after which the process exits with the code of the error, or 0. */
  readonly requestStop: (reason: string, error?: unknown) => void;
}

/** What of a process is needed. */
export interface ServiceProcess {
  readonly argv: readonly string[];
  on(event: string, listener: (value: unknown) => void): unknown;
  exit(code: number): void;
  readonly stdin: { on(event: string, listener: () => void): unknown; resume(): unknown };
}

/**
 * Runs a service as the whole process; the only place where signals are handled.
 *
 * SIGINT, SIGTERM, and with `--die-with-parent` the end of standard input, stop it in order; a second
 * signal, or the end of the grace, ends it at once. Exit code: 0 after a stop that was asked for, the
 * code of the error when it could not start or asked to stop because of one, 1 for an uncaught
 * exception (logged first), 130 when it was ended by force.
 */
export function runService<T>(options: ServiceOptions<T>): void {
  const { log, start, stop, grace = 15_000 } = options;
  const host: ServiceProcess = options.process ?? process;
  const abort = new AbortController();
  let stopping = false;
  let code: number = exitCodes.ok;

  const started: Promise<T | undefined> = Promise.resolve()
    .then(() => start({ signal: abort.signal, requestStop }))
    .catch((error: unknown) => {
      // While stopping, a start that was cut short is no error.
      if (!stopping) {
        report(error, 'the service could not start');
        host.exit(asConsiliumError(error).exit);
      }
      return undefined;
    });

  function requestStop(reason: string, error?: unknown): void {
    if (stopping) return;
    stopping = true;
    if (error !== undefined) {
      report(error, 'the service has to stop');
      code = asConsiliumError(error).exit;
    }
    log.info({ reason }, 'stopping');
    abort.abort();
    setTimeout(() => force(`it did not stop within ${grace} ms`), grace).unref();
    void finish(reason);
  }

  async function finish(reason: string): Promise<void> {
    try {
      const running = await started;
      if (running !== undefined) await stop(running, reason);
      log.info('stopped');
    } catch (error) {
      report(error, 'the service did not stop in order');
      code = code === exitCodes.ok ? exitCodes.failure : code;
    }
    host.exit(code);
  }

  function force(reason: string): void {
    log.error({ reason }, 'ending by force');
    host.exit(exitCodes.interrupted);
  }

  function report(error: unknown, text: string): void {
    const { code: name, fix } = asConsiliumError(error);
    log.error({ err: error, code: name, fix }, text);
  }

  for (const signal of ['SIGINT', 'SIGTERM']) {
    host.on(signal, () => (stopping ? force(`a second signal, ${signal}`) : requestStop(signal)));
  }
  host.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    host.exit(exitCodes.failure);
  });
  // Node turns an unhandled rejection into an uncaught exception; nothing to add.
  if ((options.args ?? host.argv).includes('--die-with-parent')) {
    host.stdin.on('end', () => requestStop('the parent process has ended'));
    host.stdin.on('close', () => requestStop('the parent process has ended'));
    host.stdin.on('error', () => requestStop('the parent process has ended'));
    host.stdin.resume();
  }
}
