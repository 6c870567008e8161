import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configRows } from './config-table.js';
import { progressText } from './task-progress.js';

test('progress shows what the event says, and no more', () => {
  const full = {
    event: 'progress',
    epoch: 2,
    epochs: 3,
    step: 5,
    steps: 10,
    metrics: { loss: 0.25 },
  } as const;
  assert.equal(progressText(full), 'epoch 2/3  step 5/10  [##########          ]  loss 0.2500');
  assert.equal(progressText({ event: 'progress', step: 7 }), 'step 7');
  assert.equal(
    progressText({ event: 'progress', step: 12, steps: 10 }),
    'step 12/10  [####################]',
  );
});

test('settings are listed with type, bounds and default, nested ones with dots', () => {
  const schema = {
    type: 'object',
    required: ['path'],
    properties: {
      epochs: { type: 'integer', minimum: 1, exclusiveMaximum: 100, default: 3, description: 'passes' },
      path: { type: 'string' },
      mode: { enum: ['a', 'b'] },
      optimizer: { type: 'object', properties: { rate: { type: ['number', 'null'], default: null } } },
    },
  };
  assert.deepEqual(configRows(schema), [
    ['epochs', 'integer >= 1 < 100', '3', 'passes'],
    ['path', 'string', 'required', ''],
    ['mode', '"a" | "b"', '-', ''],
    ['optimizer.rate', 'number | null', 'null', ''],
  ]);
  assert.deepEqual(configRows({}), []);
});
