import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { Argument, Command, Option } from 'commander';
import { completionScript } from './scripts.js';
import { completionTree } from './tree.js';

function program(): Command {
  const root = new Command('tool').option('--json', 'as JSON');
  const pack = root.command('package').description("a package's life");
  pack
    .command('run')
    .addArgument(new Argument('<entry>').choices(['train', 'validate']))
    .option('--data <folder>', 'the data')
    .addOption(new Option('--shape <shape>', 'form').choices(['round', 'square']));
  pack.command('list');
  pack.command('secret', { hidden: true });
  root.command('push');
  return root;
}

describe('completion', () => {
  test('knows commands, options of all levels and fixed words, and leaves out what is hidden', () => {
    const nodes = completionTree(program());
    assert.deepEqual(
      nodes.map(({ path }) => path),
      ['', 'package', 'package run', 'package list', 'push'],
    );
    const run = nodes.find(({ path }) => path === 'package run');
    assert.deepEqual(run?.words, ['train', 'validate']);
    assert.deepEqual(run?.options.map(({ long }) => long).sort(), ['--data', '--help', '--json', '--shape']);
    assert.deepEqual(
      nodes[1]?.commands.map(({ name }) => name),
      ['run', 'list'],
    );
  });

  describe('in bash', () => {
    const complete = (...words: string[]): string[] => {
      const script = `${completionScript('bash', 'tool', completionTree(program()))}
        COMP_WORDS=(tool ${words.map((word) => `'${word}'`).join(' ')})
        COMP_CWORD=${words.length}
        _tool
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      const text = execFileSync('bash', ['-c', script], { encoding: 'utf8' });
      return text.split('\n').filter((line) => line !== '');
    };

    for (const [words, expected] of [
      [['p'], ['package', 'push']],
      [['pa'], ['package']],
      [
        ['package', ''],
        ['run', 'list'],
      ],
      [['--json', 'package', 'r'], ['run']],
      [['package', 'run', 't'], ['train']],
      [['package', 'run', '--d'], ['--data']],
      [['package', 'run', '--j'], ['--json']],
      [
        ['package', 'run', '--shape', ''],
        ['round', 'square'],
      ],
      [['package', 'run', '--data', ''], []],
      [['package', 'run', '--data', 'x', 'v'], ['validate']],
      [['push', ''], []],
    ] as const) {
      test(`of "${words.join(' ')}" offers ${expected.join(', ') || 'files'}`, () => {
        assert.deepEqual(complete(...words), expected);
      });
    }
  });

  test('in zsh decides by the same functions as in bash', () => {
    const nodes = completionTree(program());
    const functions = (text: string) => text.slice(text.indexOf('_tool_path() {'), text.lastIndexOf('}') + 1);
    const zsh = completionScript('zsh', 'tool', nodes);
    assert.equal(functions(zsh), functions(completionScript('bash', 'tool', nodes)));
    assert.ok(zsh.startsWith('#compdef tool\n'));
  });

  test('in fish quotes descriptions', () => {
    const script = completionScript('fish', 'tool', completionTree(program()));
    assert.ok(script.includes("-a package -d 'a package\\'s life'"));
    assert.ok(script.includes("-l shape -x -a 'round square'"));
  });
});
