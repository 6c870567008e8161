import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { ConsiliumError, productVersion, protocolVersion } from '@consilium/protocol';
import { requireFit } from './reducer-info.js';
import { defaultContextName, reducerUrl } from './reducer-url.js';
import { readSecret } from './secret-input.js';

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof ConsiliumError && error.code === expected;
}

describe('the address of a reducer', () => {
  for (const [typed, expected] of [
    ['https://a.example', 'https://a.example'],
    ['https://a.example/', 'https://a.example'],
    ['HTTP://A.example:8080/api/v1/', 'http://a.example:8080'],
    ['https://a.example/consilium/', 'https://a.example/consilium'],
  ] as const) {
    test(`typed as ${typed} is ${expected}`, () => assert.equal(reducerUrl(typed), expected));
  }

  for (const typed of [
    'a.example',
    'localhost:8080',
    'ftp://a.example',
    '',
    'https://me:pw@a.example',
    'https://a/?x=1',
  ]) {
    test(`is not "${typed}"`, () => assert.throws(() => reducerUrl(typed), code('CLI_BAD_URL')));
  }

  test('names the context by host and port', () => {
    assert.equal(defaultContextName('https://a.example'), 'a.example');
    assert.equal(defaultContextName('http://127.0.0.1:8080'), '127.0.0.1:8080');
  });
});

describe('the versions of reducer and command line', () => {
  const info = { product: 'consilium' as const, version: '9.9.9', reducer_key: 'U' };
  const spoken = (oldest_protocol: number, protocol: number) => ({ ...info, oldest_protocol, protocol });

  test('fit when the reducer still serves this protocol', () => {
    requireFit(spoken(protocolVersion, protocolVersion + 1), 'here');
  });

  test('do not fit when the reducer has moved on: both versions are named, and which one to update', () => {
    assert.throws(
      () => requireFit(spoken(protocolVersion + 1, protocolVersion + 2), 'here'),
      (error: ConsiliumError) =>
        error.code === 'CLI_VERSION' &&
        error.detail.includes('9.9.9') &&
        error.detail.includes(productVersion) &&
        error.fix.includes('command line'),
    );
  });

  test('do not fit when the reducer is older', () => {
    assert.throws(
      () => requireFit(spoken(protocolVersion - 1, protocolVersion - 1), 'here'),
      (error: ConsiliumError) => error.code === 'CLI_VERSION' && error.fix.includes('the reducer'),
    );
  });
});

describe('a secret', () => {
  /** A terminal that notes whether it echoes. */
  function terminal() {
    const modes: boolean[] = [];
    const input = Object.assign(new PassThrough(), {
      isTTY: true,
      setRawMode: (raw: boolean) => modes.push(raw),
    });
    let shown = '';
    const output = { write: (text: string) => (shown += text) };
    return { input, output, modes, shown: () => shown };
  }

  test('typed at a terminal is not shown, can be corrected, and leaves the terminal as it was', async () => {
    const { input, output, modes, shown } = terminal();
    input.write('seex');
    input.write('\u007fcret\r');
    assert.equal(await readSecret('token: ', input, output), 'seecret');
    assert.equal(shown(), 'token: \n');
    assert.deepEqual(modes, [true, false]);
    assert.equal(input.destroyed, false);
  });

  test('asked for at a terminal can be refused with Ctrl-C', async () => {
    const { input, output, modes } = terminal();
    input.write('abc\u0003');
    await assert.rejects(readSecret('token: ', input, output), code('CLI_INTERRUPTED'));
    assert.deepEqual(modes, [true, false]);
  });

  test('in a pipe is its first line', async () => {
    const input = new PassThrough();
    input.end('  one \ntwo\n');
    assert.equal(await readSecret('token: ', input, { write: () => assert.fail('nobody is asked') }), 'one');
    const empty = new PassThrough();
    empty.end();
    assert.equal(await readSecret('token: ', empty), '');
  });
});
