import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type ResultRequest, type Task, taskId } from '@consilium/protocol';
import { Journal } from './journal.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consilium-journal-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const digest = `sha256:${'0'.repeat(64)}`;

function task(round: number): Task {
  const phase = { session: 's', round, attempt: 0, kind: 'train' as const };
  const ref = { bucket: 'consilium-models' as const, key: 'k', digest, size: 1 };
  return {
    ...phase,
    rounds: 3,
    package: { name: 'p', version: '1.0.0', archive: ref, manifest: ref },
    inputs: { weights: ref },
    config: {},
    random_seed: 0,
    deadline: '2026-01-01T00:00:00Z',
    client: 'site-a',
    seconds_left: 10,
    id: taskId(phase, 'site-a'),
  };
}

function failed(t: Task): ResultRequest {
  return {
    outcome: 'failed',
    task: t.id,
    error: { code: 'PKG_TASK_FAILED', message: 'm', detail: 'd', fix: 'f' },
    log_tail: 'tail',
  };
}

describe('the journal of tasks', () => {
  test('gives back what was stored, results with their update', async () => {
    const journal = new Journal(folder);
    const path = await journal.accept(task(1));
    await journal.accept(task(2));
    await writeFile(join(path, 'update.tmp'), 'weights');
    await journal.keepUpdate(task(1).id, join(path, 'update.tmp'));
    const upload = { path: journal.updatePath(task(1).id), digest, size: 7 };
    await journal.saveResult(task(1).id, { request: failed(task(1)), upload });

    const { entries, damaged } = await new Journal(folder).load();
    assert.deepEqual(damaged, []);
    assert.deepEqual(entries, [
      { task: task(1), result: { request: failed(task(1)), upload } },
      { task: task(2) },
    ]);
    assert.equal(await readFile(upload.path, 'utf8'), 'weights');
  });

  test('forgets the upload once it has been made, and everything when the task is done', async () => {
    const journal = new Journal(folder);
    await journal.accept(task(1));
    await journal.saveResult(task(1).id, {
      request: failed(task(1)),
      upload: { path: '', digest, size: 7 },
    });
    await journal.saveResult(task(1).id, { request: failed(task(1)) });
    const { entries } = await new Journal(folder).load();
    assert.equal(entries[0]?.result?.upload, undefined);
    await journal.remove(task(1).id);
    assert.deepEqual(await readdir(folder), []);
  });

  test('accepting a task again forgets the result of the earlier try', async () => {
    const journal = new Journal(folder);
    await journal.accept(task(1));
    await journal.saveResult(task(1).id, { request: failed(task(1)) });
    await journal.accept(task(1));
    const { entries } = await journal.load();
    assert.deepEqual(entries, [{ task: task(1) }]);
  });

  test('a damaged entry is reported and removed, the others stay', async () => {
    const journal = new Journal(folder);
    await journal.accept(task(1));
    await journal.accept(task(2));
    await journal.accept(task(3));
    await journal.saveResult(task(3).id, { request: failed(task(3)) });
    await writeFile(join(folder, task(2).id, 'task.json'), '{"id":');
    await writeFile(join(folder, task(3).id, 'result.json'), '{"request":{"outcome":"done"}}');
    await mkdir(join(folder, 'empty'));
    const { entries, damaged } = await journal.load();
    assert.deepEqual(
      entries.map((entry) => entry.task.id),
      [task(1).id],
    );
    assert.equal(damaged.length, 2);
    assert.deepEqual(await readdir(folder), [task(1).id]);
  });

  test('a result never appears under another task', async () => {
    const journal = new Journal(folder);
    await journal.accept(task(1));
    await mkdir(join(folder, 'x'));
    await writeFile(join(folder, 'x', 'task.json'), JSON.stringify(task(1)));
    const { entries, damaged } = await journal.load();
    assert.equal(entries.length, 1);
    assert.equal(damaged.length, 1);
  });
});
