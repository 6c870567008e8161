import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readArguments } from './args.js';

describe('the command line of the client', () => {
  test('takes the file in every spelling, client.yaml by default', () => {
    for (const args of [
      ['-i', 'x.yaml'],
      ['--in', 'x.yaml'],
      ['-in', 'x.yaml'],
      ['--in=x.yaml'],
      ['-in=x.yaml'],
    ]) {
      assert.equal(readArguments(args).config, 'x.yaml', args.join(' '));
    }
    assert.equal(readArguments([]).config, 'client.yaml');
  });

  test('takes name and switches', () => {
    const args = readArguments(['--name', 'site-b', '--ready-line', '--die-with-parent']);
    assert.deepEqual(args, {
      config: 'client.yaml',
      name: 'site-b',
      readyLine: true,
      help: false,
      version: false,
    });
  });

  test('refuses what it does not know', () => {
    for (const args of [['--nmae', 'x'], ['client.yaml'], ['-i']]) {
      assert.throws(() => readArguments(args), { code: 'USAGE' }, args.join(' '));
    }
  });
});
