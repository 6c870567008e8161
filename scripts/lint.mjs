// Rules that no linter knows: file sizes, what packages declare and import, and a row for every error.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { problems as importProblems } from './check-imports.mjs';

const limit = 400;
const problems = importProblems();
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
  const file = 'docs/reference/errors.md';
  const page = existsSync(file) ? readFileSync(file, 'utf8') : '';
  for (const code of Object.keys(errorTable)) {
    if (!page.includes(`| \`${code}\` |`))
      problems.push(`${file} has no row for ${code}: node scripts/errors-page.mjs`);
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
