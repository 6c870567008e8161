import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { ConsiliumError, type ObjectRef } from '@consilium/protocol';
import { Reductions } from './reduce.js';
import type { ReduceJob } from './reduce-worker.js';

/** A thread that answers with the session's name: at once, or for `slow` once it hears of the next job. */
const program = `
import { parentPort } from 'node:worker_threads';
const held = [];
const answer = (session) => parentPort.postMessage({ ok: true, candidate: { key: session } });
parentPort.on('message', ({ session }) => {
  if (session === 'dies') process.exit(3);
  if (session === 'fails') {
    parentPort.postMessage({ ok: false, error: { code: 'AGG_MISMATCH', detail: 'other shapes' } });
    return;
  }
  if (session === 'slow') return void held.push(session);
  while (held.length > 0) answer(held.shift());
  answer(session);
});
parentPort.ref();
`;
const tmpDir = join(tmpdir(), `consilium-reduce-${process.pid}`);
const job = (session: string) => ({ session, tmpDir }) as ReduceJob;
const keyOf = async (answer: Promise<ObjectRef>) => (await answer).key;

let reductions: Reductions;
let alive: NodeJS.Timeout;
beforeEach(() => {
  reductions = new Reductions(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  // The thread alone does not keep a process running.
  alive = setInterval(() => undefined, 1000);
});
afterEach(async () => {
  clearInterval(alive);
  await reductions.close();
});

test('jobs are answered one after the other', async () => {
  const { signal } = new AbortController();
  const answers = ['a', 'b', 'c'].map((session) => keyOf(reductions.run(job(session), signal)));
  assert.deepEqual(await Promise.all(answers), ['a', 'b', 'c']);
});

test('after a lost lease the late answer is not taken for that of the next job', async () => {
  await mkdir(tmpDir);
  const lease = new AbortController();
  const slow = reductions.run(job('slow'), lease.signal);
  const next = reductions.run(job('next'), new AbortController().signal);
  // The job is with the thread before the lease is lost.
  await new Promise((resolve) => setImmediate(resolve));
  lease.abort(new ConsiliumError('BUS_LEASE_LOST', 'It was not renewed in time.'));
  await assert.rejects(slow, { code: 'BUS_LEASE_LOST' });
  assert.equal(await keyOf(next), 'next');
  assert.equal(existsSync(tmpDir), false, 'the half-written candidate is gone');
});

test('a job whose signal has been aborted already is not begun', async () => {
  const gone = AbortSignal.abort(new ConsiliumError('BUS_LEASE_LOST', ''));
  await assert.rejects(reductions.run(job('a'), gone), { code: 'BUS_LEASE_LOST' });
  assert.equal(await keyOf(reductions.run(job('b'), new AbortController().signal)), 'b');
});

test('an error of the aggregation keeps its code, and the thread goes on', async () => {
  const { signal } = new AbortController();
  await assert.rejects(reductions.run(job('fails'), signal), {
    code: 'AGG_MISMATCH',
    detail: 'other shapes',
  });
  assert.equal(await keyOf(reductions.run(job('a'), signal)), 'a');
});

test('a thread that dies fails its job and is replaced for the next', async () => {
  const { signal } = new AbortController();
  await assert.rejects(reductions.run(job('dies'), signal), { code: 'INTERNAL' });
  assert.equal(await keyOf(reductions.run(job('a'), signal)), 'a');
});
