// Runs test suites with node:test, names what was skipped and why, and ends with `N passed, N failed`.
// Usage: node scripts/test.mjs [unit] [integration] [learning] [e2e] [chart] [site] [--only <text in file name>]
// CONSILIUM_NO_SKIPS=1 counts a skipped test as failed, unless its reason matches CONSILIUM_MAY_SKIP (a pattern).
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';

const root = new URL('..', import.meta.url).pathname;
const args = process.argv.slice(2);
const onlyAt = args.indexOf('--only');
const only = onlyAt === -1 ? undefined : args.splice(onlyAt, 2)[1];
const roots = {
  // What runs at a hospital; run by the Node of the images too.
  site: () => [
    ...['sdk', 'client'].map((name) => join(root, 'services', name, 'dist')),
    ...workspaces('compute-packages'),
  ],
  unit: () => [...workspaces('services'), ...workspaces('compute-packages')],
  integration: () => [join(root, 'test/dist/integration')],
  learning: () => [join(root, 'test/dist/learning')],
  e2e: () => [join(root, 'test/dist/e2e')],
  // The chart: rendering, refusals, the shell of its jobs. Needs helm (scripts/servers/helm.sh).
  chart: () => [join(root, 'test/dist/chart')],
};
const minutes = { site: 5, unit: 5, integration: 8, learning: 30, e2e: 30, chart: 5 };

function workspaces(folder) {
  return readdirSync(join(root, folder)).map((name) => join(root, folder, name, 'dist'));
}

function testFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.test.js') && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .filter((name) => statSync(name).isFile() && (only === undefined || name.includes(only)))
    .sort();
}

async function runSuite(suite) {
  const files = roots[suite]().flatMap(testFiles);
  const counts = { passed: 0, failed: 0, skipped: new Map() };
  if (files.length === 0) return counts;
  console.log(`\n== ${suite}: ${files.length} files ==`);
  const started = Date.now();
  // Whole federations compete for the cores, so the slow suites run one file at a time.
  const concurrency = suite === 'unit' || suite === 'integration' ? 2 : 1;
  const stream = run({ files, concurrency, timeout: minutes[suite] * 60_000 });
  for await (const { type, data } of stream) {
    if (type === 'test:stderr' && process.env.CONSILIUM_TEST_OUTPUT) process.stderr.write(data.message);
    if (type === 'test:diagnostic' || (type !== 'test:pass' && type !== 'test:fail')) continue;
    const file = data.file === undefined ? '' : relative(root, data.file);
    // A file shows up as a test of its own name when it fails as a whole; when it passes it is not a test.
    const isFile = data.nesting === 0 && data.name.endsWith('.test.js');
    if (type === 'test:fail') {
      const error = data.details.error;
      if (error?.code === 'ERR_TEST_FAILURE' && error.failureType === 'subtestsFailed') continue;
      counts.failed += 1;
      console.log(`✖ ${file}: ${data.name}`);
      console.log(indent(reason(error)));
    } else if (data.skip !== undefined) {
      // The kind of reason, without what this machine adds to it.
      const why = typeof data.skip === 'string' ? data.skip.split(': ')[0] : 'no reason given';
      counts.skipped.set(why, (counts.skipped.get(why) ?? 0) + 1);
    } else if (!isFile && data.details.type !== 'suite') {
      counts.passed += 1;
    }
  }
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`${suite}: ${counts.passed} passed, ${counts.failed} failed, ${seconds} s`);
  return counts;
}

function reason(error) {
  const cause = error?.cause ?? error;
  return cause?.stack ?? String(cause);
}

function indent(text) {
  return text.replace(/^/gm, '    ');
}

const suites = args.length === 0 ? ['unit', 'integration'] : args;
let passed = 0;
let failed = 0;
const skipped = new Map();
for (const suite of suites) {
  if (!(suite in roots)) {
    console.error(`unknown suite ${suite}; there are ${Object.keys(roots).join(', ')}`);
    process.exit(2);
  }
  const counts = await runSuite(suite);
  passed += counts.passed;
  failed += counts.failed;
  for (const [why, number] of counts.skipped) skipped.set(`${suite}: ${why}`, number);
}
if (skipped.size > 0) {
  console.log('\nskipped:');
  for (const [why, number] of [...skipped].sort()) console.log(`  ${number} × ${why}`);
}
const all = [...skipped.values()].reduce((sum, number) => sum + number, 0);
const strict = Boolean(process.env.CONSILIUM_NO_SKIPS);
const mayBe =
  process.env.CONSILIUM_MAY_SKIP === undefined ? undefined : new RegExp(process.env.CONSILIUM_MAY_SKIP);
const unwanted = [...skipped].filter(([why]) => strict && mayBe?.test(why) !== true);
for (const [why, number] of unwanted) console.log(`must not be skipped here: ${number} × ${why}`);
failed += unwanted.reduce((sum, [, number]) => sum + number, 0);
console.log(`\n${passed} passed, ${failed} failed${all === 0 ? '' : `, ${all} skipped`}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
