import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskEvent } from './contract.js';
import { detectIsolation } from './sandbox/detect.js';
import { nodeYaml, taskSetup } from './testing/task-packages.js';
import { WarmWorkers } from './warm-workers.js';

const machine = await detectIsolation();

const shared = `import { copyFileSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
let tasks = 0;
export async function perform(task: any): Promise<void> {
  tasks += 1;
  console.log('task', tasks, task.entry, process.env.CONSILIUM_ROUND);
  writeSync(3, JSON.stringify({ event: 'backend', name: 'test', device: String(tasks) }) + '\\n');
  const { fail, hang, exit, metric = 1 } = task.config;
  if (fail) throw new TypeError('no such column');
  if (exit !== undefined) process.exit(exit);
  if (hang) { process.on('SIGTERM', () => {}); await new Promise((resolve) => setTimeout(resolve, 1e6)); }
  if (task.outputs.weights) copyFileSync(task.inputs.weights, task.outputs.weights);
  writeFileSync('out/metadata.json', JSON.stringify({ num_examples: 5, tasks, pid: process.pid, cwd: process.cwd() }));
  writeFileSync(process.env.CONSILIUM_METRICS_OUT!, JSON.stringify({ num_examples: 5, metric }));
}
export function start(run: (task: unknown) => Promise<void>): void {
  if (process.env.CONSILIUM_WORKER !== '1' && process.env.CONSILIUM_TASK) {
    run(JSON.parse(readFileSync(process.env.CONSILIUM_TASK, 'utf8'))).catch((error) => { console.error(error); process.exit(1); });
  }
}
`;
const program = "import { perform, start } from './shared.js';\nexport const run = perform;\nstart(run);\n";
const capable = {
  'package.yaml': nodeYaml({ train: 'train.ts', validate: 'validate.ts' }),
  'shared.ts': shared,
  'train.ts': program,
  'validate.ts': program.replace(
    'export const run = perform;',
    'const run = perform;\nexport default { run };',
  ),
};

for (const isolation of ['process', 'sandbox'] as const) {
  const skip =
    isolation === 'sandbox' && machine.isolation !== 'bubblewrap'
      ? `needs bubblewrap: ${machine.detail}`
      : false;
  describe(`a warm worker with isolation ${isolation}`, { skip }, () => {
    test('runs the tasks of a session in one process, with the results of single processes', async (t) => {
      const { request, options } = await taskSetup(t, capable, { isolation });
      const workers = new WarmWorkers();
      t.after(() => workers.close());
      const seen: unknown[] = [];
      for (const entry of ['train', 'validate', 'train'] as const) {
        const events: TaskEvent[] = [];
        const result = await workers.run(
          { ...request, entry },
          { ...options, onEvent: (event) => events.push(event) },
        );
        assert.ok(result.ok, result.logTail);
        assert.equal(result.warm, true);
        assert.equal(result.numExamples, 5);
        assert.equal(events.length, 1);
        assert.match(result.logTail, new RegExp(`^task ${seen.length + 1} ${entry} 3\\n$`));
        seen.push([result.metadata.tasks, result.backend?.device]);
        await result.remove();
      }
      assert.deepEqual(seen, [
        [1, '1'],
        [2, '2'],
        [3, '3'],
      ]);
      assert.equal(workers.size, 1);
      await workers.close();
      assert.deepEqual(await readdir(options.workDir), []);
    });

    test('is started again after a task failed, and the reason is told', async (t) => {
      const { request, options } = await taskSetup(t, capable, { isolation });
      const workers = new WarmWorkers();
      t.after(() => workers.close());
      assert.ok((await workers.run(request, options)).ok);
      const result = await workers.run({ ...request, config: { fail: true } }, options);
      assert.ok(!result.ok);
      assert.equal(result.error.code, 'PKG_TASK_FAILED');
      assert.match(result.error.message, /no such column/);
      assert.match(result.logTail, /TypeError: no such column\n {4}at /);
      const next = await workers.run(request, options);
      assert.ok(next.ok && next.warm);
      assert.equal(next.metadata.tasks, 1);
    });

    test('that ends, hangs or is called off fails only the task at hand', async (t) => {
      const { request, options } = await taskSetup(t, capable, { isolation, limits: { timeout: 5 } });
      const workers = new WarmWorkers();
      t.after(() => workers.close());
      for (const exit of [0, 9]) {
        const result = await workers.run({ ...request, config: { exit } }, options);
        assert.ok(!result.ok && result.error.code === 'PKG_TASK_FAILED');
        assert.match(result.error.message, new RegExp(`exit code ${exit}`));
      }
      const limits = { ...options.limits, timeout: 1.5 };
      const hung = await workers.run({ ...request, config: { hang: true } }, { ...options, limits });
      assert.ok(!hung.ok && hung.error.code === 'PKG_TASK_TIMEOUT');
      const abort = new AbortController();
      const off = await workers.run(
        { ...request, config: { hang: true } },
        { ...options, signal: abort.signal, onEvent: () => abort.abort() },
      );
      assert.ok(!off.ok && off.error.code === 'PKG_TASK_ABORTED');
      assert.equal(workers.size, 0);
      assert.ok((await workers.run(request, options)).ok);
    });

    test('has its output checked like any other', async (t) => {
      const { request, options } = await taskSetup(t, capable, { isolation });
      const workers = new WarmWorkers();
      t.after(() => workers.close());
      const result = await workers.run({ ...request, config: { metric: 'high' } }, options);
      assert.ok(!result.ok && result.error.code === 'PKG_OUTPUT_INVALID');
    });
  });
}

test('tasks of one session that come at once are run one after the other, other sessions beside them', async (t) => {
  const { request, options } = await taskSetup(t, capable);
  const workers = new WarmWorkers();
  t.after(() => workers.close());
  const sessions = ['a', 'a', 'a', 'b'];
  const results = await Promise.all(sessions.map((session) => workers.run({ ...request, session }, options)));
  const counts = results.map((result) => (result.ok ? result.metadata.tasks : result.error.message));
  assert.deepEqual(counts, [1, 2, 3, 1]);
  assert.equal(workers.size, 2);
  await workers.endSession('a');
  assert.equal(workers.size, 1);
});

test('a worker without work is stopped', async (t) => {
  const { request, options } = await taskSetup(t, capable);
  const workers = new WarmWorkers({ idleMs: 50 });
  t.after(() => workers.close());
  assert.ok((await workers.run(request, options)).ok);
  for (let i = 0; i < 200 && workers.size > 0; i += 1) await sleep(20);
  assert.equal(workers.size, 0);
});

test('a package that exports no run gets a process for each task, also when its package.yaml claims otherwise', async (t) => {
  const plain = {
    ...capable,
    'train.ts': "import { perform, start } from './shared.js';\nstart(perform);\n",
  };
  const { request, options } = await taskSetup(t, plain);
  const workers = new WarmWorkers();
  t.after(() => workers.close());
  const claims = { ...options, package: { ...options.package, worker: true } };
  for (const some of [options, claims, claims]) {
    const result = await workers.run(request, some);
    assert.ok(result.ok, result.logTail);
    assert.equal(result.warm, false);
  }
  assert.equal(workers.size, 0);
});
