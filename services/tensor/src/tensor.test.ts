import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dtypes, elementSize } from './dtype.js';
import { firstNonFinite, isFiniteChunk } from './finite.js';
import { encodeBfloat16, encodeFloat16 } from './half.js';
import { elementCount, sameStructure } from './shape.js';
import { bytesOf, tensorFrom, typedData } from './tensor.js';
import type { DType, TensorInfo } from './types.js';

test('a shape has the product of its extents as elements, a scalar one, an empty one none', () => {
  assert.equal(elementCount([]), 1);
  assert.equal(elementCount([2, 3, 4]), 24);
  assert.equal(elementCount([2, 0, 4]), 0);
});

for (const [title, shape] of [
  ['negative', [2, -1]],
  ['fractional', [1.5]],
  ['not a number', [Number.NaN]],
  ['too many elements', [2 ** 30, 2 ** 30]],
  ['too many elements beside a zero', [0, 2 ** 30, 2 ** 30]],
  ['65 extents', new Array<number>(65).fill(1)],
] as const) {
  test(`a shape that is ${title} is refused`, () => {
    assert.throws(() => elementCount(shape), { code: 'NPZ_SHAPE' });
  });
}

test('the first difference between two structures is named', () => {
  const a: TensorInfo = { name: 'a', dtype: 'float32', shape: [2, 3] };
  const b: TensorInfo = { name: 'b', dtype: 'float32', shape: [] };
  assert.equal(sameStructure([a, b], [{ ...a, shape: [2, 3] }, b]), undefined);
  assert.match(sameStructure([a, b], [a])!, /Expected 2 tensors, found 1.*missing one is "b"/);
  assert.match(sameStructure([a], [a, b])!, /Expected 1 tensors, found 2.*extra one is "b"/);
  assert.match(sameStructure([a, b], [b, a])!, /Tensor 0: expected the name "a", found "b"/);
  assert.match(
    sameStructure([a], [{ ...a, dtype: 'float16' }])!,
    /"a": expected dtype float32, found float16/,
  );
  assert.match(
    sameStructure([a], [{ ...a, shape: [3, 2] }])!,
    /"a": expected shape \(2, 3\), found \(3, 2\)/,
  );
  assert.match(sameStructure([a], [{ ...a, shape: [2] }])!, /"a": expected shape \(2, 3\), found \(2\)/);
});

test('tensorFrom keeps the typed array of the dtype and converts plain numbers', () => {
  const data = Float32Array.of(1, 2);
  assert.equal(tensorFrom('a', 'float32', [2], data).data, data);
  assert.deepEqual(tensorFrom('a', 'float16', [2], [1, 0.5]).data, Uint16Array.of(0x3c00, 0x3800));
  assert.deepEqual(tensorFrom('a', 'bfloat16', [1], [1]).data, Uint16Array.of(0x3f80));
  assert.deepEqual(tensorFrom('a', 'int64', [3], [1n, -2n, 3n]).data, BigInt64Array.of(1n, -2n, 3n));
  assert.deepEqual(tensorFrom('a', 'uint64', [1], [5]).data, BigUint64Array.of(5n));
  assert.deepEqual(tensorFrom('a', 'bool', [2], [true, false]).data, Uint8Array.of(1, 0));
  assert.deepEqual(tensorFrom('a', 'int8', [2], [-128, 127]).data, Int8Array.of(-128, 127));
});

test('tensorFrom refuses what does not fit instead of wrapping it round', () => {
  assert.throws(() => tensorFrom('a', 'float32', [3], [1, 2]), { code: 'NPZ_DATA_LENGTH' });
  assert.throws(() => tensorFrom('a', 'int8', [1], [128]), { code: 'NPZ_DATA_TYPE' });
  assert.throws(() => tensorFrom('a', 'uint32', [1], [-1]), { code: 'NPZ_DATA_TYPE' });
  assert.throws(() => tensorFrom('a', 'int32', [1], [0.5]), { code: 'NPZ_DATA_TYPE' });
  assert.throws(() => tensorFrom('a', 'bool', [1], [2]), { code: 'NPZ_DATA_TYPE' });
  assert.throws(() => tensorFrom('a', 'int64', [1], [2n ** 63n]), { code: 'NPZ_DATA_TYPE' });
  assert.throws(() => tensorFrom('a', 'int64', [1], [1.5]), { code: 'NPZ_DATA_TYPE' });
  assert.throws(() => tensorFrom('a', 'float32', [1], Float64Array.of(1) as never), {
    code: 'NPZ_DATA_TYPE',
  });
  assert.throws(() => tensorFrom('a', 'float8' as DType, [1], [1]), { code: 'NPZ_DTYPE' });
});

test('typed data lie over aligned bytes and are copied from others', () => {
  const bytes = new Uint8Array(24);
  assert.equal(typedData('float64', bytes).buffer, bytes.buffer);
  const shifted = bytes.subarray(1, 17);
  bytes[1] = 7;
  assert.deepEqual(typedData('uint64', shifted), BigUint64Array.of(7n, 0n));
  assert.throws(() => typedData('float32', bytes.subarray(0, 6)), { code: 'NPZ_DATA_LENGTH' });
});

const floats: readonly (readonly [DType, (values: number[]) => ArrayBufferView])[] = [
  ['float32', (values) => Float32Array.from(values)],
  ['float64', (values) => Float64Array.from(values)],
  ['float16', (values) => encodeFloat16(values)],
  ['bfloat16', (values) => encodeBfloat16(values)],
];

for (const [dtype, make] of floats) {
  test(`the first NaN or infinity among ${dtype} elements is found, at any alignment`, () => {
    const size = elementSize(dtype);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      for (const at of [0, 3, 6]) {
        const values = [1, -0, 65504, 1e-7, -2, 0.5, 4];
        assert.equal(firstNonFinite(dtype, bytesOf(make(values))), -1);
        values[at] = bad;
        const bytes = bytesOf(make(values));
        assert.equal(firstNonFinite(dtype, bytes), at);
        const shifted = new Uint8Array(bytes.length + 1);
        shifted.set(bytes, 1);
        assert.equal(firstNonFinite(dtype, shifted.subarray(1)), at);
        assert.equal(isFiniteChunk(dtype, bytes), false);
      }
    }
    assert.equal(isFiniteChunk(dtype, new Uint8Array(0)), true);
    assert.throws(() => isFiniteChunk(dtype, new Uint8Array(size + 1)), { code: 'NPZ_DATA_LENGTH' });
  });
}

test('integers and bools are always finite', () => {
  const bytes = new Uint8Array(16).fill(0xff);
  for (const dtype of dtypes.filter((name) => !name.includes('float')))
    assert.ok(isFiniteChunk(dtype, bytes));
});
