import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConsiliumError } from '@consilium/protocol';
import { runTask } from './run.js';
import { done } from './testing/task-checks.js';
import { nodeYaml, taskSetup } from './testing/task-packages.js';
import { WarmWorkers } from './warm-workers.js';

const train = `import { copyFileSync, writeFileSync } from 'node:fs';
export function run(task: any): void {
  copyFileSync(task.inputs.weights, task.outputs.weights);
  writeFileSync(task.outputs.metadata, '{"num_examples": 1}');
}
`;
const bad = ['../../../../data/scan', '../weights', 'a/b', '', '.', 'Weights', '__proto__', 'x'.repeat(33)];

test('a model part whose name leads out of the task folder is refused, and nothing there is touched', async (t) => {
  const files = { 'package.yaml': nodeYaml({ train: 'train.ts' }), 'train.ts': train };
  const { root, request, options } = await taskSetup(t, files, { isolation: 'process' });
  const scan = join(root, 'data', 'scan.npz');
  await writeFile(scan, 'a patient');
  const workers = new WarmWorkers();
  t.after(() => workers.close());
  const first = done(await workers.run(request, options));
  assert.equal(first.warm, true);
  await first.remove();
  for (const name of bad) {
    const given = request.inputs?.weights ?? '';
    const hostile = {
      ...request,
      inputs: Object.fromEntries([...Object.entries({ weights: given }), [name, given]]),
    };
    for (const run of [() => runTask(hostile, options), () => workers.run(hostile, options)]) {
      await assert.rejects(run(), (error: unknown) => {
        assert.ok(error instanceof ConsiliumError);
        assert.equal(error.code, 'PKG_BAD_PART', `${JSON.stringify(name)}: ${error.message}`);
        return true;
      });
    }
  }
  assert.equal(await readFile(scan, 'utf8'), 'a patient');
});
