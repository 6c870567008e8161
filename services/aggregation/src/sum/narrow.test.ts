import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bfloat16ToFloat32, float16ToFloat32 } from '@consilium/tensor';
import { narrow } from './narrow.js';

describe('rounding a mean to its dtype', () => {
  it('happens once: a float64 just above a float16 tie is not first pulled onto it', () => {
    const tie = 1 + 2 ** -11;
    const values = Float64Array.of(tie, tie + 2 ** -40, 1 + 3 * 2 ** -11, 65_504);
    const bits = new Uint16Array(narrow(values, 'float16').buffer);
    assert.deepEqual([...bits].map(float16ToFloat32), [1, 1 + 2 ** -10, 1 + 2 ** -9, 65_504]);
  });

  it('goes half to even in bfloat16 and float32', () => {
    const brain = new Uint16Array(narrow(Float64Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8), 'bfloat16').buffer);
    assert.deepEqual([...brain].map(bfloat16ToFloat32), [1, 1 + 2 ** -6]);
    const single = new Float32Array(
      narrow(Float64Array.of(1 + 2 ** -24, 1 + 3 * 2 ** -24), 'float32').buffer,
    );
    assert.deepEqual([...single], [1, 1 + 2 ** -22]);
  });

  it('never leaves a negative zero', () => {
    for (const dtype of ['float16', 'bfloat16', 'float32', 'float64'] as const) {
      const bytes = narrow(Float64Array.of(-0, 0, dtype === 'float64' ? -0 : -1e-60), dtype);
      assert.ok(
        bytes.every((byte) => byte === 0),
        dtype,
      );
    }
  });
});
