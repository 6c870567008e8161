import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tensorFrom } from '@consilium/tensor';
import { diffModels } from './diff.js';
import { sourceOf } from './testing/models.js';

describe('the difference of two models', () => {
  it('is nothing for the same model', async () => {
    const source = await sourceOf([
      tensorFrom('w', 'float32', [2], [1, 2]),
      tensorFrom('z', 'int8', [0], []),
    ]);
    const found = await diffModels(source, source);
    assert.deepEqual({ ...found, tensors: [] }, { equal: true, maxAbs: 0, l2: 0, relative: 0, tensors: [] });
    assert.deepEqual(
      found.tensors.map(({ name, equal }) => [name, equal]),
      [
        ['w', true],
        ['z', true],
      ],
    );
  });

  it('is told for each tensor and over all, for floats and integers', async () => {
    const a = await sourceOf([
      tensorFrom('w', 'float16', [2], [3, 4]),
      tensorFrom('n', 'int64', [1], [10n]),
      tensorFrom('k', 'float64', [1], [0]),
    ]);
    const b = await sourceOf([
      tensorFrom('w', 'float16', [2], [3, 9]),
      tensorFrom('n', 'int64', [1], [-2n]),
      tensorFrom('k', 'float64', [1], [-0]),
    ]);
    const found = await diffModels(a, b);
    assert.equal(found.l2, 13);
    assert.equal(found.maxAbs, 12);
    assert.equal(found.equal, false);
    const [w, n, k] = found.tensors;
    assert.deepEqual([w!.maxAbs, w!.l2, w!.relative, w!.equal], [5, 5, 1, false]);
    assert.deepEqual([n!.maxAbs, n!.l2, n!.relative], [12, 12, 1.2]);
    // −0 and 0 are the same number with other bits.
    assert.deepEqual([k!.maxAbs, k!.relative, k!.equal], [0, 0, false]);
  });

  it('shows a NaN instead of hiding it', async () => {
    const a = await sourceOf([tensorFrom('w', 'float32', [3], [1, 2, 3])]);
    const b = await sourceOf([tensorFrom('w', 'float32', [3], [1, Number.NaN, 5])]);
    assert.ok(Number.isNaN((await diffModels(a, b)).maxAbs));
  });

  it('is refused for models that do not have the same tensors', async () => {
    const a = await sourceOf([tensorFrom('w', 'float32', [1], [1])]);
    const b = await sourceOf([tensorFrom('v', 'float32', [1], [1])]);
    await assert.rejects(diffModels(a, b), { code: 'AGG_MISMATCH', where: 'second model' });
  });
});
