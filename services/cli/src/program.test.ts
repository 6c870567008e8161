import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildProgram, commandRows } from './program.js';

describe('The program', () => {
  test('lists every command as the command names and describes itself', async () => {
    for (const row of commandRows) {
      const command = await row.load();
      assert.deepEqual([command.name(), command.description()], [row.name, row.description]);
    }
  });

  test('loads the commands that are named, wherever they stand, and all of them for completion', async () => {
    const loaded = async (...words: string[]): Promise<string[]> => {
      const { commands } = await buildProgram(words);
      return commands.filter(({ commands: below }) => below.length > 0).map((command) => command.name());
    };
    assert.deepEqual(await loaded('--help'), []);
    assert.deepEqual(await loaded('--url', 'http://localhost:1', 'user', 'list'), ['user']);
    assert.ok((await loaded('completion', 'bash')).includes('session'));
  });
});
