import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionRecord, SessionState } from '@consilium/protocol';
import { sessionRecord } from '../testing/fixtures.js';
import { eventLines } from './event-lines.js';

const waiting = { event: 'session.state', state: 'waiting' };
const finished = { event: 'session.state', state: 'finished' };

function lines(values: object[], options: { follow?: boolean; state?: SessionState | 'gone' | 'away' } = {}) {
  const { follow = true, state = 'waiting' } = options;
  const closed = new AbortController();
  async function* all() {
    for (const [index, value] of values.entries())
      yield { sequence: index + 1, subject: 'x', value, time: 0 };
  }
  const events = {
    read: all,
    async *follow({ signal }: { signal?: AbortSignal } = {}) {
      yield* all();
      if (signal?.aborted === true) return;
      await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
    },
  };
  const record = async (): Promise<SessionRecord | undefined> => {
    if (state === 'away') throw new Error('away');
    return state === 'gone' ? undefined : sessionRecord({ state });
  };
  const options_ = { session: 's', from: 1, follow, signal: closed.signal, record, lookEvery: 5 };
  return { closed, lines: eventLines({ ...options_, events }) };
}

async function gather(source: AsyncIterable<string>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const line of source) found.push(JSON.parse(line));
  return found;
}

test('each event is a line with its sequence', async () => {
  const found = await gather(lines([waiting, finished], { follow: false }).lines);
  assert.deepEqual(found, [
    { sequence: 1, ...waiting },
    { sequence: 2, ...finished },
  ]);
});

test('following ends with the event that ends the session', async () => {
  assert.equal((await gather(lines([waiting, finished, waiting]).lines)).length, 2);
});

test('following ends with the record when the last event was lost', async () => {
  for (const state of ['finished', 'stopped', 'failed', 'gone'] as const) {
    assert.equal((await gather(lines([waiting], { state }).lines)).length, 1, state);
  }
});

test('following goes on while the record does, or cannot be read, until the reader leaves', async () => {
  for (const state of ['waiting', 'away'] as const) {
    const { lines: found, closed } = lines([waiting], { state });
    let ended = false;
    const gathered = gather(found).then((all) => {
      ended = true;
      return all;
    });
    // Ten looks at the record.
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(ended, false, state);
    closed.abort();
    assert.equal((await gathered).length, 1);
  }
});
