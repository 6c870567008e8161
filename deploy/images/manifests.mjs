// Inside a build: leaves of the workspace only what `npm ci` needs. Tools that no image needs are taken out of
// package.json and package-lock.json first: the lock file lacks their binaries for other platforms (some registries
// do not carry them), which `npm ci` refuses.
import { readFileSync, writeFileSync } from 'node:fs';

const unwanted = (name) => name.startsWith('@biomejs/');
edit('package.json', (manifest) => drop(manifest.devDependencies));
edit('package-lock.json', (lock) => {
  drop(lock.packages[''].devDependencies);
  for (const path of Object.keys(lock.packages)) {
    if (unwanted(path.replace(/^.*node_modules\//, ''))) delete lock.packages[path];
  }
});

function edit(file, change) {
  const value = JSON.parse(readFileSync(file, 'utf8'));
  change(value);
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

function drop(dependencies) {
  for (const name of Object.keys(dependencies ?? {})) if (unwanted(name)) delete dependencies[name];
}
