import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspectPackageYaml, parsePackageYaml } from './package-yaml.js';

const good = `name: demo
version: 1.0.0
runtime: node
sdk: ^0.1
entry:
  train: train.ts
resources:
  memory: 2 GiB
  timeout: 10m
`;

test('units become bytes and seconds, and defaults are filled in', () => {
  const yaml = parsePackageYaml(good);
  assert.deepEqual(yaml.resources, { memory: 2 ** 31, timeout: 600, network: 'none', accelerator: 'none' });
  assert.deepEqual(yaml.parts, []);
});

test('a process package lists arguments', () => {
  const yaml = parsePackageYaml(
    'name: p\nversion: 1.0.0\nruntime: process\nentry: { train: [python3, train.py, "{data_dir}"] }\n',
  );
  assert.deepEqual(yaml.entry.train, ['python3', 'train.py', '{data_dir}']);
});

const bad: readonly [string, string, string, RegExp][] = [
  ['an upper case name', good.replace('name: demo', 'name: Demo'), 'package.yaml:1, field name', /a-z/],
  [
    'a version of two parts',
    good.replace('1.0.0', '"1.0"'),
    'package.yaml:2, field version',
    /semantic version/,
  ],
  ['an unknown runtime', good.replace('node', 'java'), 'package.yaml:3, field runtime', /node or process/],
  ['a missing sdk range', good.replace('sdk: ^0.1\n', ''), 'package.yaml, field sdk', /sdk versions/],
  ['a range that is none', good.replace('^0.1', 'latest'), 'package.yaml:4, field sdk', /version range/],
  ['a misspelt key', good.replace('entry:', 'entrys:'), 'package.yaml', /did you mean "entry"/],
  [
    'a misspelt entry',
    good.replace('  train:', '  trian:'),
    'package.yaml:6, field entry',
    /did you mean "train"/,
  ],
  [
    'a program that leads out',
    good.replace('train.ts', '../train.ts'),
    'package.yaml:6, field entry.train',
    /relative path/,
  ],
  [
    'an absolute program',
    good.replace('train.ts', '/train.ts'),
    'package.yaml:6, field entry.train',
    /relative path/,
  ],
  [
    'an argv for node',
    good.replace('train.ts', '[node, x]'),
    'package.yaml:6, field entry.train',
    /path of a program/,
  ],
  ['a size without sense', good.replace('2 GiB', 'much'), 'package.yaml:8, field resources.memory', /2 GiB/],
  ['a time without sense', good.replace('10m', 'soon'), 'package.yaml:9, field resources.timeout', /10m/],
  [
    'an unknown network',
    `${good}  network: lan\n`,
    'package.yaml:10, field resources.network',
    /none or any/,
  ],
  [
    'a config schema of a list',
    `${good}config: { type: array }\n`,
    'package.yaml:10, field config',
    /JSON schema of an object/,
  ],
  ['a broken file', 'name: [\n', 'package.yaml:2', /./],
  ['a text', 'hello', 'package.yaml', /keys and values/],
  ['an empty file', '', 'package.yaml', /keys and values/],
  ['a key twice', `${good}name: other\n`, 'package.yaml:10', /unique/],
  ['aliases', 'name: &a demo\nversion: *a\n', 'package.yaml', /aliases/],
  ['no entries', good.replace('\n  train: train.ts', ' {}'), 'package.yaml:5, field entry', /at least one/],
];

for (const [what, text, where, message] of bad) {
  test(`package.yaml with ${what} is refused with file, line, field and what was expected`, () => {
    assert.throws(() => parsePackageYaml(text), { code: 'PKG_BAD_YAML', where, message });
  });
}

test('all problems are listed', () => {
  const { problems } = inspectPackageYaml(good.replace('demo', 'Demo').replace('10m', 'soon'));
  assert.deepEqual(
    problems.map(({ field }) => field),
    ['name', 'resources.timeout'],
  );
});
