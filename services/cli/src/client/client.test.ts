import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConsiliumError, clientConfigSchema } from '@consilium/protocol';
import { parse } from 'yaml';
import { checkClientYaml, clientYaml } from './client-yaml.js';
import { withFednArguments } from './fedn-arguments.js';

const site = {
  url: 'https://a.example',
  name: 'site-1',
  token: `cjt_${'A'.repeat(43)}`,
  tokenExpiresAt: '2026-12-01T00:00:00.000Z',
  dataPath: './data',
  dataName: 'site-1',
  reducerKey: `U${'A'.repeat(55)}`,
  signers: [`U${'B'.repeat(55)}`, `U${'C'.repeat(55)}`],
  signersFrom: 'given' as const,
};

describe('a new client.yaml', () => {
  test('is valid and says what was given, whatever is in the texts', () => {
    for (const text of [
      'plain',
      "it's: a # test",
      '"quoted" \\ {x}',
      '- list',
      'Zürich ✓',
      'null',
      '*alias',
      '%x',
      'a\tb',
    ]) {
      const config = clientConfigSchema.parse(parse(clientYaml({ ...site, dataPath: text, dataName: text })));
      assert.deepEqual(config.data, { path: text, name: text });
      assert.deepEqual(config.policy.allowed_signers, site.signers);
      assert.equal(config.reducer_key, site.reducerKey);
      assert.equal(config.token, site.token);
    }
  });

  test('allows nobody when there is no signer, and says so', () => {
    const text = clientYaml({ ...site, signers: [], signersFrom: 'nobody' });
    assert.deepEqual(clientConfigSchema.parse(parse(text)).policy.allowed_signers, []);
    assert.match(text, /# .*Nobody yet/);
  });

  for (const [what, change, option] of [
    ['a name with blanks', { name: 'a b' }, '--name'],
    ['an empty data path', { dataPath: '' }, '--data'],
    ['a data name without end', { dataName: 'x'.repeat(201) }, '--data-name'],
    ['a signer that is a seed', { signers: ['SUAA'] }, '--signer'],
  ] as const) {
    test(`refuses ${what}, naming ${option}`, () => {
      assert.throws(
        () => checkClientYaml({ ...site, ...change }),
        (error) => error instanceof ConsiliumError && error.code === 'USAGE' && error.where === option,
      );
    });
  }
});

describe('arguments as FEDn’s users type them', () => {
  test('-in after client is --in', () => {
    assert.deepEqual(withFednArguments(['node', 'x', 'client', '-in', 'c.yaml']), [
      'node',
      'x',
      'client',
      '--in',
      'c.yaml',
    ]);
    assert.deepEqual(withFednArguments(['client', 'start', '-in=c.yaml']), [
      'client',
      'start',
      '--in=c.yaml',
    ]);
  });

  test('anything else is left as it is', () => {
    const argv = ['node', 'x', '-in', 'client', '-i', '-input', '--in'];
    assert.deepEqual(withFednArguments(argv), argv);
    assert.deepEqual(withFednArguments(['package', 'run', '-in']), ['package', 'run', '-in']);
  });
});
