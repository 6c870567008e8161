import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createIdentity } from '@consilium/platform/keys';
import { packPackage, verifyPackage } from './archive.js';
import { buildPackage } from './build.js';
import { checkPackage } from './check.js';
import { signPackage } from './manifest.js';
import { runnableFromManifest } from './runnable.js';
import { temporaryFolder, writeFiles } from './testing/folders.js';
import { unpackPackage } from './unpack.js';

const yaml = `# kept
name: demo
version: 1.2.0
runtime: node
sdk: ^0.1
entry:
  train: train.ts # the training
  validate: lib/validate.ts
config:
  properties:
    epochs: { type: integer, default: 2 }
`;
const sources = {
  'package.yaml': yaml,
  'README.md': '# demo\n',
  'train.ts':
    "import { counter } from './lib/shared.js';\nimport { version } from '@consilium/sdk';\nimport half from 'half';\nexport const run = async (): Promise<number> => half(counter.count++) + version.length;\n",
  'lib/validate.ts':
    "import { counter } from './shared.ts';\nexport function run(): void { counter.count += 1; }\n",
  'lib/shared.ts': 'export const counter: { count: number } = { count: 0 };\n',
  'lib/shared.test.ts': "throw new Error('not packed')\n",
  'data/patients.csv': 'secret\n',
  'dist/old.js': 'old\n',
  '.env': 'SECRET=1\n',
  'node_modules/half/package.json': '{"name":"half","version":"1.0.0","main":"index.js"}',
  'node_modules/half/index.js':
    "const path = require('node:path'); module.exports = (x) => path.join('a', String(x / 2)).length;\n",
};

test('a package is built outside the repository, without the sdk installed', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), sources);
  const out = join(await temporaryFolder(t), 'built');
  const built = await buildPackage(folder, out);
  const chunk = built.files.find((file) => file.startsWith('chunks/'));
  assert.deepEqual(
    built.files.filter((file) => file !== chunk),
    [
      'README.md',
      'lib/shared.ts',
      'lib/validate.mjs',
      'lib/validate.ts',
      'package.yaml',
      'train.mjs',
      'train.ts',
    ],
  );
  const code = await readFile(join(out, 'train.mjs'), 'utf8');
  assert.match(code, /from "@consilium\/sdk"/);
  assert.match(code, /x \/ 2/, 'dependencies in plain JavaScript are inside');
  assert.match(
    await readFile(join(out, 'package.yaml'), 'utf8'),
    /^# kept[\s\S]*train: train\.mjs # the training[\s\S]*worker: true/,
  );
  // The bundle is plain ESM: Node loads it next to any sdk.
  await writeFiles(out, {
    'node_modules/@consilium/sdk/package.json': '{"type":"module","exports":"./index.js"}',
    'node_modules/@consilium/sdk/index.js': "export const version = '0.1.0';",
  });
  const script =
    "const t = await import('./train.mjs'), v = await import('./lib/validate.mjs'); v.run(); v.run(); console.log(await t.run());";
  assert.equal(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: out, encoding: 'utf8' }),
    '8\n',
  );
});

test('building a built package again changes nothing', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), sources);
  const root = await temporaryFolder(t);
  await buildPackage(folder, join(root, 'one'));
  await buildPackage(folder, join(root, 'one'));
  assert.deepEqual(await readdir(root), ['one']);
});

test('the archive has the same bytes for the same sources anywhere', async (t) => {
  const digests = [];
  for (const [mode, time] of [
    [0o600, 1],
    [0o664, 2_000_000],
  ] as const) {
    const folder = await writeFiles(await temporaryFolder(t), sources);
    for (const file of ['train.ts', 'README.md']) {
      await chmod(join(folder, file), mode);
      await utimes(join(folder, file), time, time);
    }
    const { folder: built } = await buildPackage(folder, join(await temporaryFolder(t), `built-${mode}`));
    digests.push((await packPackage(built)).content.digest);
  }
  assert.equal(digests[0], digests[1]);
});

test('the archive is a gzip and tar file that others read', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), {
    ...sources,
    'big.txt': 'x'.repeat(200_000),
    'empty.txt': '',
  });
  const { folder: built } = await buildPackage(folder, join(await temporaryFolder(t), 'built'));
  const { archive } = await packPackage(built);
  assert.ok(gunzipSync(archive).length > 200_000);
  const listing = execFileSync('tar', ['-tzf', '-'], { input: archive, encoding: 'utf8' }).trim().split('\n');
  assert.deepEqual(listing, [...listing].sort());
  assert.ok(
    listing.includes('big.txt') &&
      listing.includes('empty.txt') &&
      !listing.some((path) => path.includes('patients')),
  );
});

test('a package survives building, signing, verifying and unpacking', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), { ...sources, 'run.sh': 'echo\n' });
  const { folder: built } = await buildPackage(folder, join(await temporaryFolder(t), 'built'));
  const { archive, content } = await packPackage(built);
  const identity = createIdentity('user');
  const manifest = signPackage({ ...content, created_at: '2026-01-01T00:00:00.000Z' }, identity);
  const wire = JSON.parse(JSON.stringify(manifest)) as unknown;
  const allowed = { signers: [identity.publicKey] };
  await verifyPackage(wire, archive, allowed);
  const unpacked = await unpackPackage(wire, archive, { cache: await temporaryFolder(t), allowed });
  assert.equal(
    await readFile(join(unpacked.folder, 'train.mjs'), 'utf8'),
    await readFile(join(built, 'train.mjs'), 'utf8'),
  );
  const runnable = runnableFromManifest(unpacked.manifest, unpacked.folder);
  assert.deepEqual(runnable.entry, { train: ['train.mjs'], validate: ['lib/validate.mjs'] });
  assert.equal(runnable.worker, true);
  assert.equal(runnable.config.additionalProperties, false);
});

test('a program that exports no run makes a package that needs a process for each task', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), {
    ...sources,
    'lib/validate.ts': 'console.log(1);\n',
  });
  const { yaml: built } = await buildPackage(folder, join(await temporaryFolder(t), 'built'));
  assert.equal(built.runtime === 'node' && built.worker, false);
});

test('a syntax error is reported with file, line and column, and nothing is built', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), {
    ...sources,
    'lib/shared.ts': 'export const counter =\n  = 1;\n',
  });
  const root = await temporaryFolder(t);
  await assert.rejects(buildPackage(folder, join(root, 'built')), {
    code: 'PKG_BUILD_FAILED',
    where: 'lib/shared.ts:2:3',
  });
  assert.deepEqual(await readdir(root), []);
});

test('an import that does not resolve is reported', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), {
    ...sources,
    'lib/shared.ts': "import 'no-such-module';\nexport const counter = { count: 0 };",
  });
  await assert.rejects(buildPackage(folder, join(await temporaryFolder(t), 'built')), {
    code: 'PKG_BUILD_FAILED',
    message: /no-such-module/,
  });
});

for (const [what, code] of [
  ['imports a .node file', "import addon from './addon.node';\nexport const counter = { count: addon };"],
  [
    'uses an addon loader',
    "import bindings from 'bindings';\nexport const counter = { count: bindings('x') };",
  ],
] as const) {
  test(`a package that ${what} is refused`, async (t) => {
    const folder = await writeFiles(await temporaryFolder(t), { ...sources, 'lib/shared.ts': code });
    await assert.rejects(buildPackage(folder, join(await temporaryFolder(t), 'built')), {
      code: 'PKG_NATIVE_ADDON',
      where: /shared\.ts:1/,
    });
  });
}

test('a link in the package folder is refused', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), sources);
  await symlink('/etc/passwd', join(folder, 'passwd'));
  await assert.rejects(buildPackage(folder, join(await temporaryFolder(t), 'built')), {
    code: 'PKG_BAD_FILE',
    where: 'passwd',
  });
});

test('a file name that would not travel is refused when packing', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), { ...sources, 'aux.txt': '' });
  const { folder: built } = await buildPackage(folder, join(await temporaryFolder(t), 'built'));
  await assert.rejects(packPackage(built), { code: 'PKG_PATH_INVALID' });
});

test('sources that were never built are not packed', async (t) => {
  await assert.rejects(packPackage(await writeFiles(await temporaryFolder(t), sources)), {
    code: 'PKG_BUILD_FAILED',
  });
});

test('large weights are left out, and said so', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), sources);
  await writeFile(join(folder, 'seed.npz'), Buffer.alloc(2 ** 20 + 1));
  assert.deepEqual((await buildPackage(folder, join(await temporaryFolder(t), 'built'))).leftOut, [
    'seed.npz',
  ]);
  const findings = await checkPackage(folder);
  assert.deepEqual(
    findings.map(({ severity, where }) => [severity, where]),
    [
      ['warning', 'seed.npz'],
      ['warning', 'package.yaml, field entry'],
    ],
  );
});

test('a folder without package.yaml is no package', async (t) => {
  const folder = await temporaryFolder(t);
  await assert.rejects(buildPackage(folder, join(folder, 'out')), { code: 'PKG_NOT_A_PACKAGE' });
  assert.deepEqual(
    (await checkPackage(folder)).map(({ code }) => code),
    ['PKG_NOT_A_PACKAGE'],
  );
});

test('check lists everything at once and runs nothing', async (t) => {
  const folder = await writeFiles(await temporaryFolder(t), {
    'package.yaml': yaml.replace('lib/validate.ts', 'gone.ts').replace('default: 2', 'default: two'),
    'train.ts': 'process.exit(7);\nconst a = ;\n',
  });
  await mkdir(join(folder, 'data'));
  const findings = await checkPackage(folder);
  assert.deepEqual(
    findings.map(({ severity, code, where }) => `${severity} ${code} ${where}`),
    [
      'error PKG_BAD_CONFIG_SCHEMA package.yaml, field config',
      'error PKG_ENTRY_MISSING package.yaml, field entry.validate',
      'error PKG_BUILD_FAILED train.ts:2:11',
      'warning PKG_NO_ENTRY package.yaml, field entry',
      'warning PKG_BAD_FILE README.md',
    ],
  );
});
