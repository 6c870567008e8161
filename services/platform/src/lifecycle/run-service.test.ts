import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { ConsiliumError } from '@consilium/protocol';
import { createLogger } from '../log/index.js';
import { runService, type ServiceContext } from './run-service.js';

const log = createLogger({ service: 'test', level: 'silent', pretty: false });

function fakeProcess(argv: string[] = []): {
  host: EventEmitter & { argv: string[]; exit(code: number): void; stdin: EventEmitter & { resume(): void } };
  exited: Promise<number>;
} {
  let leave: (code: number) => void = () => undefined;
  const exited = new Promise<number>((resolve) => {
    leave = resolve;
  });
  const stdin = Object.assign(new EventEmitter(), { resume: () => undefined });
  return { host: Object.assign(new EventEmitter(), { argv, exit: leave, stdin }), exited };
}

test('a signal stops the service in order and the exit code is 0', async () => {
  const { host, exited } = fakeProcess();
  const steps: string[] = [];
  await new Promise<void>((started) => {
    runService({
      log,
      process: host,
      start: async () => {
        steps.push('start');
        setImmediate(started);
        return 'it';
      },
      stop: async (running, reason) => void steps.push(`stop ${running} ${reason}`),
    });
  });
  host.emit('SIGTERM');
  assert.equal(await exited, 0);
  assert.deepEqual(steps, ['start', 'stop it SIGTERM']);
});

test('a second signal ends it at once with 130', async () => {
  const { host, exited } = fakeProcess();
  runService({ log, process: host, start: async () => 1, stop: () => new Promise(() => undefined) });
  host.emit('SIGINT');
  host.emit('SIGINT');
  assert.equal(await exited, 130);
});

test('a stop that takes longer than the grace is ended by force', async () => {
  const { host, exited } = fakeProcess();
  runService({
    log,
    process: host,
    grace: 10,
    start: async () => 1,
    stop: () => new Promise(() => undefined),
  });
  host.emit('SIGTERM');
  const alive = setInterval(() => undefined, 5);
  assert.equal(await exited, 130);
  clearInterval(alive);
});

test('a start that fails ends with the exit code of its error', async () => {
  const { host, exited } = fakeProcess();
  const start = async (): Promise<never> => {
    throw new ConsiliumError('BUS_UNAVAILABLE', 'No server.');
  };
  runService({ log, process: host, start, stop: async () => undefined });
  assert.equal(await exited, 7);
});

test('a signal during the start aborts it, and a start cut short is no error', async () => {
  const { host, exited } = fakeProcess();
  const start = ({ signal }: ServiceContext): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cut short'))));
  runService({ log, process: host, start, stop: async () => undefined });
  await new Promise((resolve) => setImmediate(resolve));
  host.emit('SIGTERM');
  assert.equal(await exited, 0);
});

test('with --die-with-parent the end of standard input stops it, without it not', async () => {
  for (const argv of [['--die-with-parent'], []]) {
    const { host, exited } = fakeProcess(argv);
    runService({ log, process: host, start: async () => 1, stop: async () => undefined });
    host.stdin.emit('end');
    if (argv.length > 0) assert.equal(await exited, 0);
    else assert.equal(host.stdin.listenerCount('end'), 0);
  }
});

test('a service that asks to stop because of an error exits with its code after stopping', async () => {
  const { host, exited } = fakeProcess();
  let stopped = false;
  runService({
    log,
    process: host,
    start: async ({ requestStop }) => {
      setImmediate(() => requestStop('lost', new ConsiliumError('TRUST_BAD_KEY', 'x')));
      return 1;
    },
    stop: async () => {
      stopped = true;
    },
  });
  assert.equal(await exited, 3);
  assert.equal(stopped, true);
});
