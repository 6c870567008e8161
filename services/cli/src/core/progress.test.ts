import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionEvent } from '@consilium/protocol';
import { SessionProgress } from './progress.js';

const base = { at: '2026-01-01T00:00:00.000Z', session: 's', round: 2, attempt: 0 };
const started: SessionEvent = {
  ...base,
  event: 'round.started',
  rounds: 5,
  kind: 'train',
  cohorts: [{ combiner: 'one', clients: ['a', 'b'] }],
};
const progress = (client: string, step: number): SessionEvent => ({
  ...base,
  event: 'client.progress',
  kind: 'train',
  client,
  combiner: 'one',
  state: 'running',
  step,
  steps: 10,
});

test('the live line shows the round, the phase and how far each client is', () => {
  const seen = new SessionProgress();
  assert.deepEqual(seen.take(started), []);
  assert.deepEqual(seen.take(progress('a', 3)), []);
  assert.equal(seen.live(), 'round 2/5 training  a running 30%  b asked');
});

test('a commit is one line with its metrics and contributions', () => {
  const seen = new SessionProgress();
  seen.take(started);
  const metrics = { auc: 0.98765, loss: 0.1 };
  const lines = seen.take({
    ...base,
    event: 'model.committed',
    number: 2,
    id: 'f'.repeat(64),
    num_examples: 300,
    contributions: 2,
    metrics,
    best: true,
  });
  assert.equal(
    lines[0],
    `round 2/5  model 2 ffffffffffff  2 sites, 300 examples  auc 0.9877, loss 0.1000  best so far`,
  );
});

test('a failure shows the code and the end of the log', () => {
  const seen = new SessionProgress();
  const lines = seen.take({
    ...base,
    event: 'client.failed',
    kind: 'train',
    client: 'a',
    combiner: 'one',
    code: 'PKG_TASK_FAILED',
    detail: 'exit code 1',
    log_tail: 'one\ntwo\n',
  });
  assert.deepEqual(lines, ['a failed at train: PKG_TASK_FAILED: exit code 1', '    one', '    two']);
});

test('progress of a client that is not in the round changes nothing', () => {
  const seen = new SessionProgress();
  seen.take(started);
  seen.take(progress('stranger', 5));
  assert.equal(seen.live(), 'round 2/5 training  a asked  b asked');
});
