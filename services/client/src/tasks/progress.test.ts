import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClientEvent } from '@consilium/protocol';
import { Progress } from './progress.js';

function setUp() {
  const sent: ClientEvent[] = [];
  let time = 0;
  let timer: { at: number; work: () => void } | undefined;
  const progress = new Progress({
    task: 't',
    publish: (event) => sent.push(event),
    now: () => time,
    after: (ms, work) => {
      timer = { at: time + ms, work };
      return () => {
        timer = undefined;
      };
    },
  });
  const advance = (ms: number): void => {
    time += ms;
    if (timer !== undefined && timer.at <= time) timer.work();
  };
  return { sent, progress, advance };
}

describe('progress', () => {
  test('sends the first event at once and gathers what follows too soon', () => {
    const { sent, progress, advance } = setUp();
    progress.note({ event: 'progress', step: 1, steps: 40 });
    progress.note({ event: 'progress', step: 2, metrics: { loss: 3 } });
    progress.note({ event: 'progress', step: 3, metrics: { accuracy: 0.5 } });
    assert.deepEqual(sent, [{ task: 't', step: 1, steps: 40 }]);
    advance(499);
    assert.equal(sent.length, 1);
    advance(1);
    assert.deepEqual(sent[1], { task: 't', step: 3, metrics: { loss: 3, accuracy: 0.5 } });
  });

  test('sends at most two events a second, whatever comes in', () => {
    const { sent, progress, advance } = setUp();
    for (let step = 0; step < 1000; step++) {
      progress.note({ event: 'progress', step });
      advance(10);
    }
    assert.ok(sent.length <= 21, String(sent.length));
    progress.flush();
    assert.equal(sent.at(-1)?.step, 999);
  });

  test('leaves out what JSON cannot say, and log lines that are not for the engineer', () => {
    const { sent, progress, advance } = setUp();
    progress.note({ event: 'progress', epoch: 1, metrics: { loss: Number.NaN } });
    progress.note({ event: 'log', level: 'info', message: 'hello' });
    advance(1000);
    assert.deepEqual(sent, [{ task: 't', epoch: 1 }]);
    progress.note({ event: 'log', level: 'warn', message: 'two images skipped' });
    assert.deepEqual(sent[1], { task: 't', message: 'two images skipped' });
  });

  test('has nothing to send at the end when all has been sent', () => {
    const { sent, progress } = setUp();
    progress.note({ event: 'backend', name: 'wasm' });
    progress.flush();
    assert.equal(sent.length, 1);
  });
});
