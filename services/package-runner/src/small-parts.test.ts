import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson } from './outputs.js';
import { requireSdk } from './runnable.js';
import { resolveAccelerator, resolveLimits } from './sandbox/limits.js';
import { formatSize, parseDuration, parseSize } from './units.js';
import { inRange } from './version-range.js';

test('ranges mean what npm means by them', () => {
  const table: [string, string, boolean][] = [
    ['0.1.0', '^0.1', true],
    ['0.1.9', '^0.1', true],
    ['0.2.0', '^0.1', false],
    ['0.1.3', '^0.1.4', false],
    ['1.9.0', '^1.2', true],
    ['2.0.0', '^1.2', false],
    ['1.2.9', '~1.2.3', true],
    ['1.3.0', '~1.2.3', false],
    ['1.2.3', '1.2.3', true],
    ['1.2.4', '1.2.3', false],
    ['1.2.4', '1.2', true],
    ['1.7.0', '1', true],
    ['0.0.4', '^0.0.3', false],
    ['0.2.0-beta.1', '^0.2', true],
    ['banana', '^0.2', false],
  ];
  for (const [version, range, expected] of table)
    assert.equal(inRange(version, range), expected, `${version} in ${range}`);
});

test('an sdk out of range is refused, naming both versions', () => {
  const pack = { name: 'demo', version: '1.0.0', runtime: 'node', sdk: '^0.3' } as const;
  assert.throws(() => requireSdk(pack, '0.1.0'), {
    code: 'PKG_SDK_RANGE',
    message: /\^0\.3; installed is 0\.1\.0/,
  });
  requireSdk(pack, '0.3.7');
});

test('sizes and durations are read with and without units', () => {
  assert.equal(parseSize('2 GiB'), 2 ** 31);
  assert.equal(parseSize('1.5kb'), 1500);
  assert.equal(parseSize(10), 10);
  assert.equal(parseDuration('90'), 90);
  assert.equal(parseDuration('2h'), 7200);
  for (const text of ['', '-1', '1 parsec', '0', 'GiB', '1e3'])
    assert.equal(parseSize(text), undefined, text);
  assert.equal(formatSize(1536), '1.5 KiB');
});

test('JSON with the words that Python writes is read, words in texts stay', () => {
  assert.deepEqual(parseJson('{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \\" Infinity"}'), {
    a: Number.NaN,
    b: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    c: 'NaN " Infinity',
  });
  assert.throws(() => parseJson('{"a": NaN'), SyntaxError);
  assert.throws(() => parseJson('{"a": NaNny}'), SyntaxError);
});

const resources = { network: 'none', accelerator: 'none' } as const;

test('a task gets what its package asks for, within what the site gives', () => {
  const asked = { resources: { ...resources, memory: 2 ** 20, timeout: 7200, cpus: 64 } };
  const limits = resolveLimits(asked, { timeout: 600, cpus: 1, memory: 2 ** 21 });
  assert.deepEqual([limits.memory, limits.timeout, limits.threads], [2 ** 20, 600, 1]);
  assert.equal(resolveLimits({ resources }, { memory: 2 ** 21 }).memory, 2 ** 21);
});

test('a package that needs more memory than the site gives is refused before it starts', () => {
  assert.throws(() => resolveLimits({ resources: { ...resources, memory: 2 ** 30 } }, { memory: 2 ** 20 }), {
    code: 'PKG_RESOURCES_DENIED',
    message: /1 GiB.*1 MiB/,
  });
});

test('a GPU is used when the package can and the site has one', () => {
  const accelerator = (asked: 'none' | 'optional' | 'required') => ({
    resources: { ...resources, accelerator: asked },
  });
  assert.equal(resolveAccelerator(accelerator('none'), 'gpu'), 'none');
  assert.equal(resolveAccelerator(accelerator('optional'), 'cpu'), 'none');
  assert.equal(resolveAccelerator(accelerator('optional'), 'auto'), 'optional');
  assert.equal(resolveAccelerator(accelerator('optional'), 'required'), 'required');
  assert.throws(() => resolveAccelerator(accelerator('required'), 'cpu'), { code: 'PKG_RESOURCES_DENIED' });
});
