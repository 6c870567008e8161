import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Task, taskId } from '@consilium/protocol';
import { type KnownTask, ORPHAN_MS, reconcile, sameWork } from './reconcile.js';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;

function task(round: number, fields: Partial<Task> = {}): Task {
  const phase = { session: 'quiet-otter', round, attempt: 0, kind: 'train' as const, ...fields };
  const ref = (key: string, letter: string) => ({
    bucket: 'consilium-models' as const,
    key,
    digest: digest(letter),
    size: 10,
  });
  return {
    ...phase,
    rounds: 10,
    package: { name: 'p', version: '1.0.0', archive: ref('p.tgz', 'a'), manifest: ref('m.json', 'b') },
    inputs: { weights: ref('w.npz', 'c') },
    config: { epochs: 1 },
    random_seed: 1,
    deadline: '2026-01-01T00:00:00Z',
    client: 'site-a',
    seconds_left: 100,
    id: taskId(phase, fields.client ?? 'site-a'),
    ...fields,
  };
}

function known(...tasks: Task[]): Map<string, KnownTask> {
  return new Map(tasks.map((t) => [t.id, { task: t, combiner: 'one', missingSince: undefined }]));
}

const list = (...tasks: Task[]) => ({ client: 'site-a', combiner: 'one', tasks, now: 1000 });
const nothing = new Set<string>();

describe('reconciling with the list of the combiner', () => {
  test('starts what is new, in the order of the list, and keeps what is known', () => {
    const seen = reconcile(list(task(3), task(1), task(2)), known(task(1)), nothing);
    assert.deepEqual(seen.start, [task(3), task(2)]);
    assert.deepEqual(seen.keep, [task(1)]);
    assert.deepEqual(seen.drop, []);
  });

  test('drops what is not listed any more', () => {
    const seen = reconcile(list(task(2)), known(task(1), task(2)), nothing);
    assert.deepEqual(seen.drop, [task(1).id]);
    assert.deepEqual(reconcile(list(), known(task(1)), nothing).drop, [task(1).id]);
  });

  test('does not start again what was acknowledged, although an older list names it', () => {
    const seen = reconcile(list(task(1)), known(), new Set([task(1).id]));
    assert.deepEqual(seen.start, []);
    assert.deepEqual(seen.drop, []);
  });

  test('the same list twice changes nothing', () => {
    const tasks = [task(1), task(1, { session: 'other' })];
    const first = reconcile(list(...tasks), known(), nothing);
    const second = reconcile(list(...tasks), known(...first.start), nothing);
    assert.deepEqual(second.start, []);
    assert.deepEqual(second.drop, []);
    assert.equal(second.keep.length, 2);
  });

  test('a task named twice in one list is started once', () => {
    assert.equal(reconcile(list(task(1), task(1)), known(), nothing).start.length, 1);
  });

  test('less time left is the same work, another model under the same id is not', () => {
    const later = task(1, { seconds_left: 5, deadline: '2026-01-01T00:01:00Z' });
    assert.equal(sameWork(task(1), later), true);
    assert.deepEqual(reconcile(list(later), known(task(1)), nothing).keep, [later]);
    const inputs = { weights: { ...task(1).inputs.weights!, digest: digest('d') } };
    const other = task(1, { inputs });
    const seen = reconcile(list(other), known(task(1)), nothing);
    assert.deepEqual(seen.drop, [other.id]);
    assert.deepEqual(seen.start, [other]);
  });

  test('refuses a task of another client, or under an id that is not its own', () => {
    const foreign = task(1, { client: 'site-b' });
    const wrong = task(1, { id: '../../etc' });
    const seen = reconcile(list(foreign, wrong), known(), nothing);
    assert.deepEqual(seen.refuse, [foreign, wrong]);
    assert.deepEqual(seen.start, []);
  });
});

describe('a task whose combiner has died', () => {
  const other = (now: number, ...tasks: Task[]) => ({ client: 'site-a', combiner: 'two', tasks, now });
  const since = (missingSince: number | undefined) =>
    new Map([[task(1).id, { task: task(1), combiner: 'one', missingSince }]]);

  test('goes on until the new combiner has taken it over', () => {
    const first = reconcile(other(1000), since(undefined), nothing);
    assert.deepEqual(first.orphans, [task(1).id]);
    assert.deepEqual(first.drop, []);
    const taken = reconcile(other(2000, task(1)), since(1000), nothing);
    assert.deepEqual(taken.keep, [task(1)]);
    assert.deepEqual(taken.orphans, []);
  });

  test('is dropped when nobody takes it over in time', () => {
    assert.deepEqual(reconcile(other(1000 + ORPHAN_MS), since(1000), nothing).drop, [task(1).id]);
  });

  test('is dropped at once when its session has other work for the client', () => {
    assert.deepEqual(reconcile(other(1000, task(2)), since(undefined), nothing).drop, [task(1).id]);
  });
});
