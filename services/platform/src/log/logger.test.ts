import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from './logger.js';

function capture(level: string, pretty = false): { lines: string[]; log: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  return { lines, log: createLogger({ service: 'reducer', level, pretty, destination }) };
}

test('a line is one JSON object with level, time, service, message and fields', () => {
  const { lines, log } = capture('info');
  log.info({ round: 3 }, 'committed');
  log.debug('not shown');
  assert.equal(lines.length, 1);
  const { time, ...rest } = JSON.parse(lines[0]!);
  assert.deepEqual(rest, { level: 'info', service: 'reducer', round: 3, msg: 'committed' });
  assert.ok(!Number.isNaN(Date.parse(time)));
});

test('secrets are not written, at the top or nested', () => {
  const { lines, log } = capture('info');
  log.info({ seed: 'SUAX', headers: { authorization: 'Bearer x' }, a: { b: { token: 't0' } } }, 'x');
  assert.doesNotMatch(lines.join(''), /SUAX|Bearer|t0/);
});

test('an unknown level is said and info is taken', () => {
  const { lines, log } = capture('loud');
  log.info('shown');
  assert.match(lines[0]!, /unknown log level/);
  assert.match(lines[1]!, /shown/);
});

test('for people a line shows level, service, message and fields, and an error with its stack', () => {
  const { lines, log } = capture('info', true);
  log.error({ err: new Error('broken'), key: 'k' }, 'failed');
  assert.match(lines[0]!, /ERROR.*reducer: failed.*key=.*k/);
  assert.match(lines[0]!, /Error: broken\n\s+at /);
});
