import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Command, CommanderError } from 'commander';
import { withFednArguments } from './client/fedn-arguments.js';
import { completionTree } from './completion/tree.js';
import { buildProgram } from './program.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

interface Example {
  readonly where: string;
  readonly line: string;
}

/** README and everything under docs, and the READMEs of packages and services. */
function pages(): string[] {
  const below = (folder: string) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !/(^|\/)(node_modules|dist)\//.test(name))
      .map((name) => join(folder, name));
  const beside = (folder: string) =>
    readdirSync(join(root, folder))
      .map((name) => join(folder, name, 'README.md'))
      .filter((name) => readText(name) !== '');
  return ['README.md', ...below('docs'), ...beside('compute-packages'), ...beside('services')];
}

function readText(name: string): string {
  try {
    return readFileSync(join(root, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Lines of `sh` fences that begin with `consilium`; a backslash at the end continues a line. */
function examplesIn(text: string, where: string): Example[] {
  const found: Example[] = [];
  let inside = false;
  let pending: Example | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line.startsWith('```')) {
      inside = !inside && line === '```sh';
      pending = undefined;
      continue;
    }
    if (!inside) continue;
    const whole = pending === undefined ? line : `${pending.line} ${line}`;
    const at = pending?.where ?? `${where}:${index + 1}`;
    pending = undefined;
    if (whole.endsWith('\\')) pending = { where: at, line: whole.slice(0, -1).trimEnd() };
    else if (/^consilium(\s|$)/.test(whole)) found.push({ where: at, line: whole });
  }
  return found;
}

/** The words of the first command of a line, as a shell would see them: quotes, comments, redirections. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [token] of line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)) {
    if (token.startsWith('#') || /^(&&?|\|\|?|;)$/.test(token)) break;
    words.push(token.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
  }
  const redirection = words.findIndex((word) => /^\d?[<>]/.test(word));
  return redirection < 0 ? words : words.slice(0, redirection);
}

/** Why the command line would be refused; nothing of it is run. */
async function problemOf(words: readonly string[]): Promise<string | undefined> {
  const program = await buildProgram(words);
  const silence = (command: Command): void => {
    command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
    // Groups have no action of their own: without a subcommand they show their help, which is an error here.
    if (command.commands.length === 0 || hasAction(command)) command.action(() => undefined);
    for (const child of command.commands) silence(child);
  };
  silence(program);
  try {
    await program.parseAsync(withFednArguments(['node', ...words]));
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
}

/** `client` and `clients` do something by themselves; commander keeps that private. */
function hasAction(command: Command): boolean {
  return ['client', 'clients'].includes(command.name());
}

describe('The documentation', () => {
  test('shows no command line that the program would refuse', async () => {
    const examples = pages().flatMap((name) => examplesIn(readText(name), relative(root, join(root, name))));
    assert.ok(examples.length > 40, `only ${examples.length} examples were found`);
    const wrong: string[] = [];
    for (const { where, line } of examples) {
      const problem = await problemOf(['consilium', ...wordsOf(line).slice(1)]);
      if (problem !== undefined) wrong.push(`${where}: ${line}\n    ${problem}`);
    }
    assert.deepEqual(wrong, []);
  });

  test('of the command line names every command and every option', async () => {
    const page = readText('docs/reference/cli.md');
    const first = page.slice(0, page.indexOf('\n## '));
    const sectionOf = (path: string): string | undefined => {
      const from = page.indexOf(`## consilium ${path}\n`);
      if (from < 0) return undefined;
      const next = page.indexOf('\n## ', from);
      return page.slice(from, next < 0 ? undefined : next);
    };
    const tree = completionTree(await buildProgram(['completion']));
    const missing = tree.flatMap(({ path, options }) => {
      if (path !== '' && sectionOf(path) === undefined) return [path];
      // Options of a parent hold for its commands too, and stand with the parent.
      const parts = path.split(' ');
      const sections = parts.map((_, index) => sectionOf(parts.slice(0, index + 1).join(' ')) ?? '');
      const text = [first, ...sections].join('\n');
      return options.filter(({ long }) => !text.includes(long)).map(({ long }) => `${path} ${long}`);
    });
    assert.deepEqual(missing, [], 'run: node scripts/cli-page.mjs');
  });

  test('would be found out: a wrong command, option or argument is a problem', async () => {
    for (const line of [
      'consilium sesion list',
      'consilium session list --follow-me',
      'consilium model diff a.npz',
      'consilium package',
      'consilium client-config create --data ./data',
      'consilium trail verify first',
    ]) {
      assert.notEqual(await problemOf(wordsOf(line)), undefined, line);
    }
  });

  test('is read as a shell reads it', () => {
    const text = [
      'text',
      '```sh',
      'ls',
      'consilium up \\',
      '  --dir "a b"  # where',
      '```',
      'consilium no',
      '```',
      'consilium no',
      '```',
      '  ```sh',
      '  consilium clients',
      '  ```',
    ];
    const examples = examplesIn(text.join('\n'), 'page');
    assert.deepEqual(
      examples.map(({ where, line }) => [where, wordsOf(line)]),
      [
        ['page:4', ['consilium', 'up', '--dir', 'a b']],
        ['page:12', ['consilium', 'clients']],
      ],
    );
    assert.deepEqual(wordsOf('consilium package key > file && ls'), ['consilium', 'package', 'key']);
  });
});
