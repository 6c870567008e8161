import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readServiceArguments } from './service-main.js';

test('a service takes its configuration from a file, from the environment, or from both', () => {
  assert.deepEqual(readServiceArguments(['--config', 'a.json']), { config: 'a.json', env: false });
  assert.deepEqual(readServiceArguments(['--env', '--die-with-parent']), { config: undefined, env: true });
  assert.deepEqual(readServiceArguments(['--env', '--config=a.json']), { config: 'a.json', env: true });
  assert.equal(readServiceArguments(['-h']), 'help');
  assert.equal(readServiceArguments(['--version']), 'version');
});

for (const args of [[], ['--die-with-parent'], ['--config'], ['--nonsense'], ['a.json']]) {
  test(`a service refuses to be started with ${JSON.stringify(args)}`, () => {
    assert.throws(() => readServiceArguments(args), { code: 'USAGE' });
  });
}
