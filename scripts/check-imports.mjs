// Holds imports, package.json and tsconfig.json of every workspace against each other. `problems()` gives one line
// for each of: an import of something that is not declared, a declared dependency that nothing imports, an import
// past the exports of another workspace, a relative import that leaves its workspace, references of tsconfig.json
// that are not the workspace dependencies, and schemas loaded where only the errors are needed.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, normalize } from 'node:path';

/** Used without being imported. */
const unimported = {
  'services/client': { '@consilium/sdk': 'lent to the packages that it runs (findSdk)' },
  'services/cli': { '@consilium/sdk': 'lent to the packages that it runs (findSdk)' },
};
/** Loaded by every task process, which must not wait for the schemas. */
const withoutSchemas = ['services/tensor', 'services/sdk', 'services/aggregation'];
/** Folders with a tsconfig.json that are no workspaces; they import what the workspaces installed. */
const loose = ['test', 'bench'];

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

function trackedFiles() {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' });
  return listed.split('\n').filter((name) => /\.m?tsx?$/.test(name) && existsSync(name));
}

/** Import specifiers of a source text, and all its quoted strings. */
export function specifiers(text) {
  const plain = text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    // Programs in template literals belong to somebody else.
    .replace(/`(?:\\.|\$\{[^}]*\}|[^`\\])*`/g, '``');
  const found = new Set();
  for (const pattern of [
    /^\s*(?:import|export)\s[^'"`;]*?\bfrom\s+'([^']+)'/gm,
    /^\s*import\s+'([^']+)'/gm,
    /\bimport(?:\.meta\.resolve)?\(\s*'([^']+)'/g,
  ]) {
    for (const [, name] of plain.matchAll(pattern)) found.add(name);
  }
  const strings = new Set([...plain.matchAll(/'([^'\n]+)'/g)].map(([, value]) => value));
  return { imports: [...found], strings };
}

const packageOf = (specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

export function problems() {
  const found = [];
  const files = trackedFiles();
  const folders = [...new Set(files.map((name) => /^(?:services|compute-packages)\/[^/]+/.exec(name)?.[0]))]
    .filter((folder) => folder !== undefined && existsSync(join(folder, 'package.json')))
    .sort();
  const workspaces = new Map(
    folders.map((folder) => {
      const { name, exports = {}, dependencies = {} } = readJson(join(folder, 'package.json'));
      return [name, { folder, exports, dependencies }];
    }),
  );
  const root = readJson('package.json').devDependencies;
  const nameOf = (folder) => [...workspaces].find(([, workspace]) => workspace.folder === folder)?.[0];

  for (const folder of [...folders, ...loose]) {
    const name = nameOf(folder);
    const own = workspaces.get(name);
    const used = new Set();
    for (const file of files.filter((path) => path.startsWith(`${folder}/`))) {
      const { imports, strings } = specifiers(readFileSync(file, 'utf8'));
      for (const specifier of imports) {
        if (specifier.startsWith('.')) {
          const target = normalize(join(dirname(file), specifier));
          if (!target.startsWith(`${folder}/`)) found.push(`${file}: ${specifier} leaves ${folder}`);
          continue;
        }
        if (isBuiltin(specifier)) continue;
        const to = packageOf(specifier);
        used.add(to);
        const workspace = workspaces.get(to);
        if (workspace !== undefined) {
          const door = `.${specifier.slice(to.length)}`;
          if (to !== name && !Object.hasOwn(workspace.exports, door))
            found.push(`${file}: ${to} does not export ${door}`);
        }
        if (withoutSchemas.includes(folder) && specifier === '@consilium/protocol')
          found.push(`${file}: import @consilium/protocol/errors; the schemas slow every task down`);
        if (own === undefined || to === name) continue;
        const isDeclared = Object.hasOwn(own.dependencies, to) || (isTest(file) && Object.hasOwn(root, to));
        if (!isDeclared) found.push(`${file}: ${to} is not a dependency in ${folder}/package.json`);
      }
      for (const text of strings) used.add(packageOf(text));
    }
    if (own !== undefined) {
      for (const dependency of Object.keys(own.dependencies)) {
        if (used.has(dependency) || unimported[folder]?.[dependency] !== undefined) continue;
        found.push(`${folder}/package.json: nothing imports ${dependency}`);
      }
    }
    const wanted = own === undefined ? [...used] : Object.keys(own.dependencies);
    found.push(...referenceProblems(folder, wanted, workspaces, own !== undefined));
  }
  return found;
}

function isTest(file) {
  return /\.test\.ts$|\/(?:testing|test-support)\//.test(file);
}

/** A workspace refers to its workspace dependencies and no others; a loose folder at least to what it imports. */
function referenceProblems(folder, dependencies, workspaces, exact) {
  const file = join(folder, 'tsconfig.json');
  const references = (readJson(file).references ?? []).map(({ path }) => normalize(join(folder, path)));
  const wanted = dependencies
    .filter((name) => workspaces.has(name))
    .map((name) => workspaces.get(name).folder);
  const missing = wanted.filter((path) => !references.includes(path));
  const extra = exact ? references.filter((path) => !wanted.includes(path)) : [];
  return [
    ...missing.map((path) => `${file}: no reference to ${path}`),
    ...extra.map((path) => `${file}: refers to ${path}, which is no dependency`),
  ];
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const found = problems();
  for (const problem of found) console.error(problem);
  process.exitCode = found.length === 0 ? 0 : 1;
}
