import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { combinerConfigSchema } from '@consilium/combiner';
import { sessionSpecSchema } from '@consilium/protocol';
import { reducerConfigSchema } from '@consilium/reducer';
import { z } from 'zod';

const page = (name: string) => readFile(new URL(`../../../docs/reference/${name}`, import.meta.url), 'utf8');

interface JsonSchema {
  readonly properties?: Record<string, JsonSchema>;
  readonly required?: readonly string[];
  readonly default?: unknown;
}

/** Every field that is no group, with its default as JSON, `required` or `none`. `whole` fields are not entered. */
function fieldsOf(schema: JsonSchema, whole: readonly string[] = [], prefix = ''): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`;
    if (property.properties !== undefined && !whole.includes(path)) {
      for (const [inner, value] of fieldsOf(property, whole, `${path}.`)) fields.set(inner, value);
      continue;
    }
    const isRequired = schema.required?.includes(name) === true && property.default === undefined;
    const value = property.default === undefined ? 'none' : JSON.stringify(property.default);
    fields.set(path, isRequired ? 'required' : value);
  }
  return fields;
}

/** First cell (without backticks) to the cell with the default, of the rows of a part of a page. */
function rowsOf(text: string, column: number): Map<string, string> {
  const rows = new Map<string, string>();
  for (const line of text.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const name = /^`([\w.]+)`$/.exec(cells[1] ?? '')?.[1];
    if (name !== undefined) rows.set(name, cells[column] ?? '');
  }
  return rows;
}

function compare(fields: ReadonlyMap<string, string>, rows: ReadonlyMap<string, string>): void {
  assert.deepEqual([...rows.keys()], [...fields.keys()], 'every field has a row, in the order of the schema');
  for (const [name, value] of fields) {
    const said = rows.get(name) ?? '';
    if (value === 'required') assert.equal(said, 'required', name);
    else if (value === 'none') assert.ok(said !== '' && said !== 'required', `${name}: ${said}`);
    else assert.equal(said, `\`${value}\``, name);
  }
}

const schemaOf = (schema: z.ZodType) =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;

test('docs/reference/session-yaml.md has every field of a session with its default', async () => {
  const fields = fieldsOf(schemaOf(sessionSpecSchema));
  // These two follow from the package, which the schema cannot know.
  for (const name of ['selection.metric', 'selection.direction']) fields.set(name, 'none');
  compare(fields, rowsOf(await page('session-yaml.md'), 3));
});

test('docs/reference/services.md has every field of the configuration of reducer and combiner', async () => {
  const text = await page('services.md');
  const part = (from: string, to: string) =>
    text.slice(text.indexOf(`\n## ${from}`), text.indexOf(`\n## ${to}`));
  compare(fieldsOf(schemaOf(reducerConfigSchema), ['store']), rowsOf(part('reducer', 'combiner'), 2));
  compare(fieldsOf(schemaOf(combinerConfigSchema), ['store']), rowsOf(part('combiner', 'store-server'), 2));
});

test('docs/reference/services.md has every option of the store server', async () => {
  const main = fileURLToPath(import.meta.resolve('@consilium/store-server/main'));
  const help = execFileSync(process.execPath, [main, '--help'], { encoding: 'utf8' });
  const options = new Set([...help.matchAll(/--[a-z-]+/g)].map(([option]) => option));
  const text = await page('services.md');
  const rows = [...text.matchAll(/^\| `(--[a-z-]+)` \|/gm)].map(([, option]) => option);
  assert.deepEqual(new Set(rows), options);
});
