// Runs the benchmarks of bench/dist one after the other, in a process each, and ends with 1 if one failed.
// Usage: node scripts/bench.mjs [<name>...] [--full] [<option of the benchmark>...]
// Names choose among the benchmarks. Without --full each runs with its quick settings (bench/quick.json); every
// other option goes to the benchmarks and wins over those. It builds nothing: `make bench` does before.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const folder = join(root, 'bench/dist');
const sources = readdirSync(join(root, 'bench')).filter((name) => name.endsWith('.ts'));
const known = sources.map((name) => basename(name, '.ts')).sort();
const quick = JSON.parse(readFileSync(join(root, 'bench/quick.json'), 'utf8'));

const args = process.argv.slice(2);
const firstOption = args.findIndex((arg) => arg.startsWith('-'));
const names = firstOption === -1 ? args : args.slice(0, firstOption);
const options = firstOption === -1 ? [] : args.slice(firstOption).filter((arg) => arg !== '--full');
const full = args.includes('--full');

if (options.includes('--help')) {
  console.log(
    `usage: node scripts/bench.mjs [<name>...] [--full] [<option>...]\nbenchmarks: ${known.join(', ')}`,
  );
  process.exit(0);
}
for (const name of names) {
  if (known.includes(name)) continue;
  console.error(`there is no benchmark ${name}; there are ${known.join(', ')}`);
  process.exit(2);
}
for (const name of known) {
  if (existsSync(join(folder, `${name}.js`))) continue;
  console.error(`bench/dist/${name}.js is not built: run make build`);
  process.exit(2);
}

// The Python with NumPy that the tests use, unless another one is named.
const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
const numpy = join(cache, 'consilium/py-numpy/bin');
const path = existsSync(numpy) ? `${numpy}:${process.env.PATH}` : process.env.PATH;

const failed = [];
for (const name of names.length === 0 ? known : names) {
  const settings = [...(full ? [] : (quick[name] ?? [])), ...options];
  console.log(`\n== ${name} ${settings.join(' ')}`.trimEnd());
  const ended = spawnSync(process.execPath, [join(folder, `${name}.js`), ...settings], {
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });
  if (ended.signal === 'SIGINT') process.exit(130);
  if (ended.status !== 0) failed.push(`${name} (${ended.signal ?? `exit code ${ended.status}`})`);
}
if (failed.length > 0) console.error(`\nfailed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
