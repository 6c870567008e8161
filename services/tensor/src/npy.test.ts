import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '@consilium/protocol/errors';
import { dtypes } from './dtype.js';
import { encodeNpyHeader, parseNpyHeader, readNpy, writeNpy } from './npy.js';
import { tensorFrom } from './tensor.js';
import { npyBytes } from './test-support/zip-fixture.js';

const header = (text: string, version: 1 | 2 | 3 = 1) => npyBytes(text, new Uint8Array(0), version);

test('the header of every dtype and kind of shape is read back, and the data start at a multiple of 64', () => {
  for (const dtype of dtypes) {
    for (const shape of [[], [0], [7], [2, 3], [1, 0, 5], new Array<number>(64).fill(1)]) {
      const bytes = encodeNpyHeader({ dtype, shape });
      assert.equal(bytes.length % 64, 0);
      const { headerLength, ...rest } = parseNpyHeader(bytes);
      assert.equal(headerLength, bytes.length);
      assert.deepEqual(rest, { dtype, shape, byteOrder: 'little', fortranOrder: false });
    }
  }
});

test('versions 1.0, 2.0 and 3.0, any key order, both quotes, any spaces and long integers are read', () => {
  const expected = { dtype: 'float32', byteOrder: 'big', fortranOrder: true, shape: [3, 4] };
  for (const text of [
    "{'descr': '>f4', 'fortran_order': True, 'shape': (3, 4), }",
    `{"shape":(3,4),"fortran_order":True,"descr":">f4"}`,
    "{ 'shape' : ( 3L , 4L, ) , 'descr' : '>f4' , 'fortran_order' : True }   ",
  ]) {
    for (const version of [1, 2, 3] as const) {
      const { headerLength: _, ...rest } = parseNpyHeader(header(text, version));
      assert.deepEqual(rest, expected);
    }
  }
});

const d = "'descr': '<f4'";
const f = "'fortran_order': False";
const s = "'shape': (3,)";
const bad: readonly (readonly [string, string, ErrorCode])[] = [
  ['is not a dict', '[1, 2]', 'NPZ_NPY_HEADER'],
  ['is empty', '', 'NPZ_NPY_HEADER'],
  ['does not end', `{${d}, ${f}, ${s}`, 'NPZ_NPY_HEADER'],
  ['goes on after the dict', `{${d}, ${f}, ${s}} + 1`, 'NPZ_NPY_HEADER'],
  ['calls a function', `{${d}, ${f}, 'shape': tuple([3])}`, 'NPZ_NPY_HEADER'],
  ['has an expression in the shape', `{${d}, ${f}, 'shape': (3*4,)}`, 'NPZ_NPY_HEADER'],
  ['lacks a key', `{${d}, ${f}}`, 'NPZ_NPY_HEADER'],
  ['has a fourth key', `{${d}, ${f}, ${s}, 'x': True}`, 'NPZ_NPY_HEADER'],
  ['has a key twice', `{${d}, ${d}, ${f}, ${s}}`, 'NPZ_NPY_HEADER'],
  ['has a number for a tuple', `{${d}, ${f}, 'shape': (3)}`, 'NPZ_NPY_HEADER'],
  ['has a negative extent', `{${d}, ${f}, 'shape': (-3,)}`, 'NPZ_NPY_HEADER'],
  ['has an extent with a leading zero', `{${d}, ${f}, 'shape': (03,)}`, 'NPZ_NPY_HEADER'],
  ['has a fractional extent', `{${d}, ${f}, 'shape': (3.0,)}`, 'NPZ_NPY_HEADER'],
  ['has an extent beyond 2^53', `{${d}, ${f}, 'shape': (99999999999999999999,)}`, 'NPZ_NPY_HEADER'],
  ['nests tuples', `{${d}, ${f}, 'shape': (((((3,),),),),)}`, 'NPZ_NPY_HEADER'],
  ['has a string for a boolean', `{${d}, 'fortran_order': 'False', ${s}}`, 'NPZ_NPY_HEADER'],
  ['has an escape in a string', `{'descr': '\\x3cf4', ${f}, ${s}}`, 'NPZ_NPY_HEADER'],
  ['has a string that does not end', `{'descr': '<f4, ${f}}`, 'NPZ_NPY_HEADER'],
  ['has an absurd product', `{${d}, ${f}, 'shape': (4294967296, 4294967296)}`, 'NPZ_SHAPE'],
  ['has 65 extents', `{${d}, ${f}, 'shape': (${'1, '.repeat(65)})}`, 'NPZ_SHAPE'],
  ['is a structured dtype', `{'descr': [('x', '<f4')], ${f}, ${s}}`, 'NPZ_DTYPE'],
  ['holds objects', `{'descr': '|O', ${f}, ${s}}`, 'NPZ_OBJECT_DTYPE'],
  ['holds objects in disguise', `{'descr': 'O8', ${f}, ${s}}`, 'NPZ_DTYPE'],
  ['is complex', `{'descr': '<c8', ${f}, ${s}}`, 'NPZ_DTYPE'],
  ['holds strings', `{'descr': '<U5', ${f}, ${s}}`, 'NPZ_DTYPE'],
  ['holds other void data', `{'descr': '|V4', ${f}, ${s}}`, 'NPZ_DTYPE'],
  ['has no byte order', `{'descr': 'f4', ${f}, ${s}}`, 'NPZ_DTYPE'],
  ['is in the byte order of some machine', `{'descr': '=f4', ${f}, ${s}}`, 'NPZ_DTYPE'],
  ['has an empty dtype', `{'descr': '', ${f}, ${s}}`, 'NPZ_DTYPE'],
];

for (const [title, text, code] of bad) {
  test(`a header that ${title} is refused with ${code}`, () => {
    assert.throws(() => parseNpyHeader(header(text)), { code });
  });
}

test('a header that is cut off, unmarked, of an unknown version or too long is refused', () => {
  const good = header(`{${d}, ${f}, ${s}}`);
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => parseNpyHeader(good.subarray(0, length)), { code: 'NPZ_NPY_TRUNCATED' });
  }
  const patched = (at: number, value: number) => good.map((byte, i) => (i === at ? value : byte));
  assert.throws(() => parseNpyHeader(patched(0, 0x50)), { code: 'NPZ_NPY_MAGIC' });
  assert.throws(() => parseNpyHeader(patched(6, 4)), { code: 'NPZ_NPY_VERSION' });
  assert.throws(() => parseNpyHeader(patched(7, 1)), { code: 'NPZ_NPY_VERSION' });
  assert.throws(() => parseNpyHeader(patched(9, 0x41)), { code: 'NPZ_NPY_HEADER_TOO_LARGE' });
  assert.throws(() => parseNpyHeader(patched(good.length - 1, 0x20)), { code: 'NPZ_NPY_HEADER' });
  const wide = header(`{${d}, ${f}, ${s}}`, 2).map((byte, i) => (i >= 8 && i < 12 ? 0xff : byte));
  assert.throws(() => parseNpyHeader(wide), { code: 'NPZ_NPY_HEADER_TOO_LARGE' });
  assert.throws(() => parseNpyHeader(header(`{${d}, ${f}, ${s}}\xff`.replace('descr', 'descr\xff'), 3)), {
    code: 'NPZ_NPY_HEADER',
  });
});

test('a single npy array is written and read back, and one of the wrong length is refused', () => {
  const tensor = tensorFrom('a', 'int16', [2, 2], [1, -2, 3, -4]);
  const bytes = writeNpy(tensor);
  assert.deepEqual(readNpy(bytes, 'a'), tensor);
  assert.throws(() => readNpy(bytes.subarray(0, -1)), { code: 'NPZ_SIZE_MISMATCH' });
  assert.throws(() => writeNpy({ ...tensor, shape: [3] }), { code: 'NPZ_DATA_LENGTH' });
});

test('a big-endian Fortran-order array comes out in native C order', () => {
  const text = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
  const data = Uint8Array.of(0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6);
  assert.deepEqual(readNpy(npyBytes(text, data)).data, Int16Array.of(1, 2, 3, 4, 5, 6));
});
