import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runTask } from './run.js';
import type { TaskLimits } from './sandbox/limits.js';
import { done, failed, kinds, leave, shellSetup, sleepers } from './testing/task-checks.js';
import { nodeYaml, processYaml, taskSetup } from './testing/task-packages.js';

for (const { isolation, skip } of kinds) {
  describe(`a task with isolation ${isolation}`, { skip }, () => {
    const shell = (t: TestContext, script: string, limits: Partial<TaskLimits> = {}) =>
      shellSetup(t, script, isolation, limits);

    test('that takes too long is killed with its grandchildren, also those that ignore SIGTERM', async (t) => {
      const script = `trap '' TERM
        sh -c 'trap "" TERM; sleep 1001' &
        ( setsid sh -c 'trap "" TERM; sleep 1002' & ) 
        echo ready
        sleep 1003`;
      const { request, options } = await shell(t, script, { timeout: 1 });
      const before = await sleepers('0-9');
      const result = failed(await runTask(request, options));
      assert.equal(result.error.code, 'PKG_TASK_TIMEOUT');
      assert.match(result.logTail, /ready/);
      assert.deepEqual(await sleepers('0-9'), before);
    });

    test('that leaves a daemon behind when it succeeds leaves none', async (t) => {
      const { request, options } = await shell(
        t,
        `( setsid sleep 1004 >/dev/null 2>&1 & )\nsleep 1005 &\n${leave}`,
      );
      const before = await sleepers('0-9');
      await done(await runTask(request, options)).remove();
      assert.deepEqual(await sleepers('0-9'), before);
    });

    test('gets a SIGTERM first and may say goodbye', async (t) => {
      const { request, options } = await shell(
        t,
        "trap 'echo goodbye; exit 0' TERM\necho ready\nwhile :; do sleep 0.05; done\n",
        { timeout: 1 },
      );
      const result = failed(await runTask(request, { ...options, graceMs: 10_000 }));
      assert.equal(result.error.code, 'PKG_TASK_TIMEOUT');
      assert.match(result.logTail, /goodbye/);
    });

    test('that is called off is stopped', async (t) => {
      const { request, options } = await shell(
        t,
        'echo \'{"event":"log","message":"ready"}\' >&3\nsleep 1006\n',
      );
      const abort = new AbortController();
      const { error } = failed(
        await runTask(request, { ...options, signal: abort.signal, onEvent: () => abort.abort() }),
      );
      assert.equal(error.code, 'PKG_TASK_ABORTED');
      const early = failed(await runTask(request, { ...options, signal: AbortSignal.abort() }));
      assert.equal(early.error.code, 'PKG_TASK_ABORTED');
    });

    test('that prints without end keeps a bounded tail and a bounded log file', async (t) => {
      const { request, options } = await shell(
        t,
        `head -c 5000000 /dev/zero | tr '\\0' 'x'\necho end\n${leave}`,
        { logSize: 100_000 },
      );
      const logFile = join(options.workDir, '..', 'task.log');
      const { logTail } = done(await runTask(request, { ...options, logFile }));
      assert.equal(logTail.length, 16_384);
      assert.ok(logTail.endsWith('xend\n'));
      const log = await readFile(logFile, 'utf8');
      assert.ok(log.length < 101_000 && log.includes('cut off'));
    });

    test('that floods the events is heard in part, and the rest is counted', async (t) => {
      const { request, options } = await shell(
        t,
        `i=0; while [ $i -lt 3000 ]; do echo '{"event":"progress","step":1}'; i=$((i+1)); done >&3\necho nonsense >&3\n${leave}`,
      );
      let heard = 0;
      const result = done(await runTask(request, { ...options, onEvent: () => (heard += 1) }));
      assert.ok(heard >= 200 && heard < 3000, `${heard} events`);
      assert.equal(result.droppedEvents, 3001 - heard);
    });

    test('that uses more memory than it may is killed, and says so', {
      skip: process.platform !== 'linux' && 'needs /proc',
    }, async (t) => {
      const { request, options } = await taskSetup(
        t,
        {
          'package.yaml': nodeYaml({ train: 'train.ts' }),
          'train.ts':
            'const keep: Buffer[] = [];\nsetInterval(() => keep.push(Buffer.alloc(20_000_000, 1)), 20);\n',
        },
        { isolation, limits: { memory: 300 * 2 ** 20 } },
      );
      const result = failed(await runTask(request, options));
      assert.equal(result.error.code, 'PKG_TASK_MEMORY');
      assert.ok(result.peakMemory! > 300 * 2 ** 20);
    });

    test('that starts too many processes is killed', {
      skip: process.platform !== 'linux' && 'needs /proc',
    }, async (t) => {
      const script = 'i=0; while [ $i -lt 40 ]; do sleep 1007 & i=$((i+1)); done; wait\n';
      const { request, options } = await shell(t, script, { processes: 20 });
      const before = await sleepers('0-9');
      const result = failed(await runTask(request, options));
      assert.equal(result.error.code, 'PKG_TASK_PROCESSES');
      assert.deepEqual(await sleepers('0-9'), before);
    });

    test('cannot write a file beyond the limit', async (t) => {
      const { request, options } = await shell(
        t,
        `head -c 3000000 /dev/zero > big || echo "big refused"\n${leave}`,
        { fileSize: 2 ** 20 },
      );
      assert.match(done(await runTask(request, options)).logTail, /big refused|File size limit/);
    });
  });
}

test('a package dies with the client that runs it, even one that is killed', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async (t) => {
  for (const { isolation, skip } of kinds) {
    if (skip !== false) continue;
    const script = 'trap \'\' TERM HUP\nsleep 1008 &\necho $$ > "$CONSILIUM_STATE_DIR/pid"\nsleep 1009\n';
    const { root, request, options } = await taskSetup(
      t,
      { 'package.yaml': processYaml({ train: ['sh', 'train.sh'] }), 'train.sh': script },
      { isolation },
    );
    const before = await sleepers('0-9');
    const code = `import { runTask } from ${JSON.stringify(new URL('./run.js', import.meta.url).href)};
      await runTask(${JSON.stringify(request)}, ${JSON.stringify(options)});`;
    const client = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
    while (!existsSync(join(root, 'state', 'pid'))) await sleep(20);
    const started = (await sleepers('0-9')).filter((pid) => !before.includes(pid));
    assert.ok(started.length > 0);
    client.kill('SIGKILL');
    await once(client, 'exit');
    for (const pid of started) await goneSoon(pid);
  }
});

async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return stat !== '' && !/\) Z /.test(stat);
}

async function goneSoon(pid: number): Promise<void> {
  for (let i = 0; i < 200 && (await isAlive(pid)); i += 1) await sleep(25);
  assert.equal(await isAlive(pid), false, `process ${pid} is still there`);
}
