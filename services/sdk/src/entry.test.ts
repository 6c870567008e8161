import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { useBackend } from './backend.js';
import { type BackendName, backendNames } from './backend-loaders.js';
import { run } from './fixtures/noisy-net.js';
import { type EntryRequest, readResult, runEntry, writeTask } from './testing/index.js';
import * as tf from './tf.js';

const program = fileURLToPath(new URL('./fixtures/noisy-net.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sdk-entry-'));
after(() => rmSync(folder, { recursive: true }));

const request = (
  entry: EntryRequest['entry'],
  name: string,
  more: Partial<EntryRequest> = {},
): EntryRequest => ({
  entry,
  folder: join(folder, name),
  config: {},
  seed: 11,
  ...more,
});

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  readonly events: Record<string, unknown>[];
}

/** Starts the program as a client does: task file, events on descriptor 3. */
async function start(taskPath: string, env: Record<string, string> = {}, events = true): Promise<Ended> {
  const child = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      CONSILIUM_TASK: taskPath,
      ...(events ? { CONSILIUM_EVENTS_FD: '3' } : {}),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', events ? 'pipe' : 'ignore'],
  });
  const texts = { stderr: '', events: '' };
  child.stderr?.on('data', (chunk) => {
    texts.stderr += chunk;
  });
  child.stdio[3]?.on('data', (chunk) => {
    texts.events += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const lines = texts.events.split('\n').filter(Boolean);
  return {
    code,
    stderr: texts.stderr,
    events: lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

async function available(name: BackendName): Promise<string | false> {
  const task = writeTask(request('init', `probe-${name}`));
  const { code, stderr } = await start(task, { CONSILIUM_BACKEND: name });
  return code === 0 ? false : `needs the ${name} backend: ${stderr.split('\n')[0]}`;
}

describe('A program started as a process', () => {
  test('writes weights and metadata, and ends', async () => {
    const task = writeTask(request('init', 'init'));
    const { code, stderr } = await start(task, { CONSILIUM_BACKEND: 'wasm' });
    assert.equal(code, 0, stderr);
    assert.deepEqual(readResult(task).metadata, { backend: { name: 'wasm', device: 'cpu' } });
  });

  test('tells backend, progress and log on the event descriptor, the last step included', async () => {
    const { weights } = await runEntry(run, request('init', 'events-init'));
    const task = writeTask(request('train', 'events', { inputs: { weights } }));
    const { code, events, stderr } = await start(task, { CONSILIUM_BACKEND: 'wasm' });
    assert.equal(code, 0, stderr);
    assert.deepEqual(events[0], { event: 'backend', name: 'wasm', device: 'cpu, 1 thread' });
    assert.deepEqual(events.at(-1), { event: 'log', level: 'info', message: 'run 1' });
    const progress = events.filter(({ event }) => event === 'progress');
    assert.equal(progress.at(-1)?.step, 2);
    assert.equal(readResult(task).metadata.num_examples, 40);
  });

  test('works without an event descriptor', async () => {
    const task = writeTask(request('init', 'no-events'));
    const { code, stderr } = await start(task, { CONSILIUM_BACKEND: 'cpu' }, false);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /backend cpu on cpu/);
  });

  test('ends with a code and a reason when it throws, sends nothing, or sends what is not finite', async () => {
    const { weights } = await runEntry(run, request('init', 'fail-init'));
    const fail = (kind: string) =>
      start(writeTask(request('train', `fail-${kind}`, { inputs: { weights }, config: { fail: kind } })), {
        CONSILIUM_BACKEND: 'cpu',
      });
    const thrown = await fail('throw');
    assert.equal(thrown.code, 1);
    assert.match(thrown.stderr, /the scanner is on fire/);
    const silent = await fail('silent');
    assert.equal(silent.code, 3);
    assert.match(silent.stderr, /SDK_NO_OUTPUT: .*sent no weights/);
    const diverged = await fail('diverge');
    assert.equal(diverged.code, 3);
    assert.match(diverged.stderr, /SDK_NOT_FINITE: .*Metric loss is NaN/);
  });

  test('names what is wrong with a task file', async () => {
    const path = join(folder, 'bad.json');
    const detail = async (content: string) => {
      writeFileSync(path, content);
      const { code, stderr } = await start(path);
      assert.equal(code, 3);
      return stderr;
    };
    assert.match(
      await detail('{"contract":2}'),
      /SDK_BAD_TASK: .*contract is 2, this sdk speaks 1.*bad\.json/,
    );
    assert.match(await detail('{"contract":1,"entry":"explode"}'), /entry is "explode", not one of init/);
    assert.match(await detail('{'), /SDK_BAD_TASK/);
  });

  test('does nothing in a warm worker until it is called', async () => {
    const task = writeTask(request('init', 'worker'));
    const { code } = await start(task, { CONSILIUM_WORKER: '1' });
    assert.equal(code, 0);
    assert.throws(() => readFileSync(readResult(task).weights), { code: 'ENOENT' });
  });
});

describe('A program called in one process again and again', () => {
  before(() => useBackend('cpu'));

  test('keeps its state between rounds', async () => {
    const { weights } = await runEntry(run, request('init', 'state-init'));
    const stateDir = join(folder, 'shared-state');
    for (const expected of [1, 2]) {
      await runEntry(run, request('train', `state-${expected}`, { inputs: { weights }, stateDir }));
      assert.equal(JSON.parse(readFileSync(join(stateDir, 'runs.json'), 'utf8')), expected);
    }
  });

  test('puts Math.random back and leaves no tensors behind over 50 tasks, failed ones included', async () => {
    const { weights } = await runEntry(run, request('init', 'leak-init'));
    const original = Math.random;
    const once = async (fail?: string) =>
      runEntry(run, request('train', 'leak', { inputs: { weights }, config: fail ? { fail } : {} }));
    await once();
    const before = tf.memory();
    for (let i = 0; i < 48; i++) await once();
    await assert.rejects(once('diverge'));
    await assert.rejects(once('throw'));
    assert.equal(tf.memory().numTensors, before.numTensors);
    assert.equal(tf.memory().numDataBuffers, before.numDataBuffers);
    assert.equal(Math.random, original);
  });

  test('refuses a model part the task does not bring, and names those it brings', async () => {
    await assert.rejects(runEntry(run, request('validate', 'part', { inputs: { control: '/none' } })), {
      code: 'SDK_DATA_MISSING',
      detail: 'The task brings no weights; it brings control.',
    });
  });
});

for (const name of backendNames) {
  const missing = await available(name);
  describe(`Training on ${name}`, { skip: missing }, () => {
    test('gives the same bytes for the same seed in another process, and others for another seed', async () => {
      const env = { CONSILIUM_BACKEND: name };
      const train = async (label: string, seed: number) => {
        const initial = writeTask(request('init', `${name}-${label}-init`, { seed }));
        assert.equal((await start(initial, env)).code, 0);
        const inputs = { weights: readResult(initial).weights };
        const task = writeTask(request('train', `${name}-${label}`, { seed: seed + 1, inputs }));
        const { code, stderr } = await start(task, env);
        assert.equal(code, 0, stderr);
        const { weights, metrics } = readResult(task);
        return { init: readFileSync(inputs.weights), trained: readFileSync(weights), draw: metrics.draw };
      };
      const first = await train('first', 0);
      const second = await train('second', 0);
      const other = await train('other', 5);
      assert.deepEqual(second, first);
      assert.notDeepEqual(other.init, first.init);
      assert.notDeepEqual(other.trained, first.trained);
      assert.notEqual(other.draw, first.draw);
      assert.notDeepEqual(first.trained, first.init);
    });
  });
}
