import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDefaults, parseSettings, resolveConfig } from './config.js';

const schema = {
  properties: {
    epochs: { type: 'integer', minimum: 1, default: 2 },
    learning_rate: { type: 'number', default: 0.01 },
    optimizer: { enum: ['sgd', 'adam'], default: 'adam' },
    shuffle: { type: 'boolean', default: true },
    tag: { type: 'string' },
    layers: { type: 'array', items: { type: 'integer' } },
    nested: {
      type: 'object',
      properties: { deep: { type: 'number', default: 1 } },
      default: {},
      additionalProperties: false,
    },
  },
};

test('defaults are filled in, nested ones too, and overrides win', () => {
  assert.deepEqual(resolveConfig(schema, { epochs: 5 }), {
    epochs: 5,
    learning_rate: 0.01,
    optimizer: 'adam',
    shuffle: true,
    nested: { deep: 1 },
  });
});

test('the overrides and the schema are left as they were', () => {
  const overrides = { nested: {} };
  resolveConfig(schema, overrides);
  assert.deepEqual(overrides, { nested: {} });
  assert.deepEqual(resolveConfig(schema, {}).nested, { deep: 1 });
  assert.deepEqual(schema.properties.nested.default, {});
});

const bad: readonly [string, Record<string, unknown>, string, RegExp][] = [
  ['an unknown key', { epoch: 1 }, 'config', /Unknown key "epoch"; did you mean "epochs"\?/],
  ['a key like nothing known', { zzzzzzzz: 1 }, 'config', /known are epochs, learning_rate/],
  ['an unknown nested key', { nested: { deeep: 1 } }, 'config.nested', /did you mean "deep"/],
  ['a text for a number', { learning_rate: '0.1' }, 'config.learning_rate', /expected number, got "0.1"/],
  ['a fraction for an integer', { epochs: 1.5 }, 'config.epochs', /expected integer, got 1.5/],
  ['a number out of range', { epochs: 0 }, 'config.epochs', />= 1, got 0/],
  [
    'a word that is none of the choices',
    { optimizer: 'rmsprop' },
    'config.optimizer',
    /"sgd", "adam", got "rmsprop"/,
  ],
];
for (const [what, overrides, where, message] of bad) {
  test(`a configuration with ${what} is refused by name`, () => {
    assert.throws(() => resolveConfig(schema, overrides), { code: 'PKG_BAD_CONFIG', where, message });
  });
}

test('a key that is required and has no default must be given', () => {
  const required = { properties: { site: { type: 'string' } }, required: ['site'] };
  assert.throws(() => resolveConfig(required), { code: 'PKG_BAD_CONFIG', message: /"site" is missing/ });
  assert.deepEqual(checkDefaults(required), []);
});

test('texts of --set become what the schema says', () => {
  const settings = [
    'epochs=3',
    'learning_rate=1e-3',
    'shuffle=false',
    'tag=007',
    'layers=[1,2]',
    'nested.deep=4',
    'optimizer=sgd',
    'tag=a=b',
  ];
  assert.deepEqual(parseSettings(schema, settings), {
    epochs: 3,
    learning_rate: 0.001,
    shuffle: false,
    tag: 'a=b',
    layers: [1, 2],
    nested: { deep: 4 },
    optimizer: 'sgd',
  });
});

for (const [setting, where, message] of [
  ['epochs', '--set', /key=value/],
  ['epocs=1', 'config.epocs', /did you mean "epochs"/],
  ['epochs=many', 'config.epochs', /not of type integer/],
  ['shuffle=yes', 'config.shuffle', /not of type boolean/],
  ['layers=1,2', 'config.layers', /not of type array/],
  ['nested.dep=1', 'config.nested.dep', /did you mean "deep"/],
] as const) {
  test(`--set ${setting} is refused`, () => {
    assert.throws(() => parseSettings(schema, [setting]), { code: 'PKG_BAD_CONFIG', where, message });
  });
}

test('--set cannot reach the prototype of all objects', () => {
  assert.throws(() => parseSettings({ additionalProperties: true }, ['__proto__.polluted=1']), {
    code: 'PKG_BAD_CONFIG',
  });
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

for (const [what, broken] of [
  ['names a type that does not exist', { properties: { a: { type: 'int' } } }],
  ['refers to another file', { properties: { a: { $ref: 'http://example.org/schema' } } }],
  ['has a pattern that is too long', { properties: { a: { type: 'string', pattern: 'a'.repeat(300) } } }],
  ['is nested too deeply', JSON.parse(`${'{"not":'.repeat(40)}{}${'}'.repeat(40)}`) as object],
  ['is too large', { properties: { a: { description: 'x'.repeat(70_000) } } }],
] as const) {
  test(`a config schema that ${what} is refused`, () => {
    assert.throws(() => resolveConfig(broken as Record<string, unknown>), { code: 'PKG_BAD_CONFIG_SCHEMA' });
  });
}

test('a default that does not fit its own schema is found', () => {
  assert.match(
    checkDefaults({ properties: { a: { type: 'integer', default: 'x' } } })[0]!,
    /config\.a: default "x"/,
  );
});

test('draft 7 is understood when the schema says so', () => {
  const draft7 = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    properties: { a: { type: 'number', default: 1 } },
  };
  assert.deepEqual(resolveConfig(draft7), { a: 1 });
});
