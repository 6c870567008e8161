import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, type TestContext, test } from 'node:test';
import { runTask } from './run.js';
import type { TaskLimits } from './sandbox/limits.js';
import { failed, kinds, leave, shellSetup } from './testing/task-checks.js';
import { processYaml, taskSetup } from './testing/task-packages.js';

for (const { isolation, skip } of kinds) {
  describe(`a task with isolation ${isolation}`, { skip }, () => {
    const shell = (t: TestContext, script: string, limits: Partial<TaskLimits> = {}) =>
      shellSetup(t, script, isolation, limits);

    test('that ends with an error says its exit code and its last line', async (t) => {
      const { request, options } = await shell(t, 'echo "no such column: age" >&2\nexit 3\n');
      const result = failed(await runTask(request, options));
      assert.equal(result.error.code, 'PKG_TASK_FAILED');
      assert.match(result.error.message, /train of demo 1\.0\.0 ended with exit code 3: no such column: age/);
      assert.equal(result.exitCode, 3);
      assert.deepEqual(await readdir(options.workDir), []);
    });

    test('whose program is not there could not be started', async (t) => {
      const { request, options } = await taskSetup(
        t,
        { 'package.yaml': processYaml({ train: ['no-such-program'] }) },
        { isolation },
      );
      const { error } = failed(await runTask(request, options));
      assert.equal(error.code, 'PKG_START_FAILED');
      assert.match(error.message, /no-such-program/);
    });

    for (const [what, script, code, text] of [
      [
        'leaves no weights',
        'echo \'{"num_examples":1}\' > "$CONSILIUM_METADATA_OUT"',
        'PKG_OUTPUT_MISSING',
        /outputs\.weights/,
      ],
      [
        'leaves empty weights',
        ': > "$CONSILIUM_WEIGHTS_OUT"; echo \'{"num_examples":1}\' > "$CONSILIUM_METADATA_OUT"',
        'PKG_OUTPUT_INVALID',
        /empty/,
      ],
      ['leaves no metadata', 'echo w > "$CONSILIUM_WEIGHTS_OUT"', 'PKG_OUTPUT_MISSING', /outputs\.metadata/],
      [
        'leaves metadata that is no JSON',
        `${leave} echo '{' > "$CONSILIUM_METADATA_OUT"`,
        'PKG_OUTPUT_INVALID',
        /outputs\.metadata/,
      ],
      [
        'leaves metadata that is a list',
        `${leave} echo '[1]' > "$CONSILIUM_METADATA_OUT"`,
        'PKG_OUTPUT_INVALID',
        /no JSON object/,
      ],
      [
        'does not count its examples',
        `${leave} echo '{}' > "$CONSILIUM_METADATA_OUT"`,
        'PKG_OUTPUT_INVALID',
        /no "num_examples"/,
      ],
      [
        'counts half an example',
        `${leave} echo '{"num_examples":1.5}' > "$CONSILIUM_METADATA_OUT"`,
        'PKG_OUTPUT_INVALID',
        /1\.5/,
      ],
      [
        'counts no examples',
        `${leave} echo '{"num_examples":0}' > "$CONSILIUM_METADATA_OUT"`,
        'PKG_OUTPUT_INVALID',
        /above 0/,
      ],
      [
        'leaves a metric that is a text',
        `${leave} echo '{"loss":"low"}' > "$CONSILIUM_METRICS_OUT"`,
        'PKG_OUTPUT_INVALID',
        /"loss" is no number/,
      ],
      [
        'leaves huge metadata',
        `${leave} head -c 2000000 /dev/zero | tr '\\0' ' ' > "$CONSILIUM_METADATA_OUT"`,
        'PKG_OUTPUT_INVALID',
        /at most/,
      ],
      [
        'leaves a link to a file of the site',
        `${leave} rm "$CONSILIUM_WEIGHTS_OUT"; ln -s /etc/hostname "$CONSILIUM_WEIGHTS_OUT"`,
        'PKG_OUTPUT_INVALID',
        /no regular file/,
      ],
      [
        'leaves a pipe',
        `${leave} rm "$CONSILIUM_METADATA_OUT"; mkfifo "$CONSILIUM_METADATA_OUT"`,
        'PKG_OUTPUT_INVALID',
        /no regular file/,
      ],
      [
        'replaces the output folder by a link',
        'd=$(dirname "$CONSILIUM_WEIGHTS_OUT"); rm -r "$d"; ln -s /etc "$d"',
        'PKG_OUTPUT_MISSING',
        /removed or replaced/,
      ],
    ] as const) {
      test(`that ${what} has failed, with ${code}`, async (t) => {
        const { request, options } = await shell(t, `echo working\n${script}\n`);
        const result = failed(await runTask(request, options));
        assert.equal(result.error.code, code, result.error.message);
        assert.match(result.error.message, text);
        assert.match(result.logTail, /working/);
        assert.deepEqual(await readdir(options.workDir), []);
      });
    }
  });
}
