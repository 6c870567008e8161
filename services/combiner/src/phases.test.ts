import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderKeyOfTask } from './phases.js';

test('a task id leads to the order of its phase at this combiner', () => {
  assert.equal(orderKeyOfTask('north', 'trial.2.0.train.a-site', 'a-site'), 'north.trial.2.0.train');
});

test('a task of another client is refused as foreign', () => {
  assert.throws(() => orderKeyOfTask('north', 'trial.2.0.train.b-site', 'a-site'), { code: 'TASK_FOREIGN' });
});

test('what is no task id leads nowhere', () => {
  const bad = ['', 'a-site', 'trial.2.0.train', 'trial.2.0.test.a-site', 'trial.x.0.train.a-site'];
  for (const id of [...bad, 'trial.2.0.train.a-site.more', '*.2.0.train.a-site', '>.2.0.train.a-site']) {
    assert.throws(() => orderKeyOfTask('north', id, 'a-site'), { code: 'TASK_UNKNOWN' }, id);
  }
});
