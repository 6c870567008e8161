import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { clientConfigSchema, fednClientKeys } from '@consilium/protocol';
import { parse } from 'yaml';
import { valuePaths } from './schema-fields.js';

const page = await readFile(new URL('../../../../docs/reference/client-yaml.md', import.meta.url), 'utf8');

describe('docs/reference/client-yaml.md', () => {
  test('has a row for every key and none for a key that does not exist', () => {
    const section = page.slice(page.indexOf('## Keys'), page.indexOf('## Environment'));
    const rows = [...section.matchAll(/^\| `([a-z_.]+)` \|/gm)].map((match) => match[1]);
    const keys = valuePaths().map((path) => path.join('.'));
    assert.deepEqual(rows.sort(), keys.sort());
  });

  test('states the defaults that hold', () => {
    const minimal = { url: 'https://x.org', name: 'a', data: { path: '.', name: 'x' } };
    const config = clientConfigSchema.parse(minimal) as Record<string, unknown>;
    for (const path of valuePaths()) {
      const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], config);
      const row = page.split('\n').find((line) => line.startsWith(`| \`${path.join('.')}\` |`)) ?? '';
      const stated = row.split('|')[2]?.trim().replaceAll('`', '');
      if (value === undefined || path[0] === 'url' || path[0] === 'name' || path[0] === 'data') continue;
      assert.equal(stated, Array.isArray(value) ? JSON.stringify(value) : String(value), path.join('.'));
    }
  });

  test('has an example that is valid', () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    assert.equal(clientConfigSchema.safeParse(parse(example)).error, undefined);
  });

  test('names every key of FEDn', () => {
    for (const key of Object.keys(fednClientKeys)) assert.ok(page.includes(`\`${key}\``), key);
  });
});
