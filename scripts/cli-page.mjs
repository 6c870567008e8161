// Writes docs/reference/cli.md from the commands as they are.
import { writeFileSync } from 'node:fs';
import { buildProgram } from '../services/cli/dist/program.js';

const program = await buildProgram(['completion']);
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
const shown = (value) =>
  value === undefined || value === false || (Array.isArray(value) && value.length === 0)
    ? ''
    : `\`${value}\``;

function optionTable(options, head) {
  if (options.length === 0) return '';
  const rows = options.map(
    ({ flags, description, defaultValue, argChoices, mandatory }) =>
      `| \`${flags.replaceAll('|', '\\|')}\` | ${mandatory ? 'required' : shown(defaultValue)} | ${cell(description)}${argChoices ? ` (${argChoices.join(', ')})` : ''} |`,
  );
  return `\n| ${head} | default | |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function section(command, path) {
  const help = command.createHelp();
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const words = help.visibleArguments(command);
  const usage = words.map(
    (word) =>
      ` ${word.required ? '<' : '['}${word.name()}${word.variadic ? '…' : ''}${word.required ? '>' : ']'}`,
  );
  let text = `\n## consilium ${path}\n\n${command.description()[0].toUpperCase()}${command.description().slice(1)}.\n`;
  if (children.length > 0) text += `\n${children.map((child) => `\`${child.name()}\``).join(', ')}\n`;
  if (children.length === 0 || words.length > 0) text += `\n\`consilium ${path}${usage.join('')}\`\n`;
  for (const word of words)
    if (word.description !== '') text += `\n- \`${word.name()}\`: ${word.description}\n`;
  const own = help.visibleOptions(command).filter(({ long }) => long !== '--help');
  text += optionTable(own, 'option');
  return text + children.map((child) => section(child, `${path} ${child.name()}`)).join('');
}

const globals = program
  .createHelp()
  .visibleOptions(program)
  .filter(({ long }) => long !== '--help');
let page = `# Command line

Results go to standard output, all else to standard error. Made from the commands themselves by
\`node scripts/cli-page.mjs\`; \`consilium <command> --help\` shows the same with examples.

Everywhere, before or after the command's name (\`--help\` too):
${optionTable(globals, 'option')}
A command talks to the reducer of \`--url\` and \`--token\`, else of \`CONSILIUM_URL\` and \`CONSILIUM_TOKEN\`, else of
\`--context\`, else of the current context, as \`consilium login\` set it (\`CONSILIUM_CONTEXTS\` names another file than
\`~/.config/consilium/contexts.json\`). \`HTTPS_PROXY\` and \`NO_PROXY\` hold.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed; a session that did not finish; files that differ; something for \`doctor\` to mend |
| 2 | wrong usage |
| 3 | bad input |
| 4 | denied |
| 5 | not found |
| 6 | conflict |
| 7 | unreachable or busy |
| 8 | a check of integrity failed |
| 130 | interrupted |

Errors say code, what, where and what to do; with \`--json\` as one object. All codes: [errors](errors.md).
`;
for (const command of program.commands.filter(({ _hidden }) => !_hidden))
  page += section(command, command.name());
writeFileSync(new URL('../docs/reference/cli.md', import.meta.url), page);
