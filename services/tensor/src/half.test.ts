import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bfloat16ToFloat32,
  decodeBfloat16,
  decodeFloat16,
  encodeBfloat16,
  encodeFloat16,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from './half.js';

const formats = [
  { name: 'float16', decode: float16ToFloat32, encode: float32ToFloat16, infinity: 0x7c00, nan: 0x7e00 },
  { name: 'bfloat16', decode: bfloat16ToFloat32, encode: float32ToBfloat16, infinity: 0x7f80, nan: 0x7fc0 },
];

for (const { name, decode, encode, infinity, nan } of formats) {
  test(`every ${name} that is a number survives decoding and encoding, signed zeros included`, () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = decode(bits);
      assert.equal(encode(value), Number.isNaN(value) ? nan : bits, `bits ${bits.toString(16)}`);
    }
  });

  test(`between two neighbouring ${name} values the nearer one is taken, and the even one at the middle`, () => {
    for (let bits = 0; bits + 1 < infinity; bits++) {
      const low = decode(bits);
      const high = decode(bits + 1);
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      assert.equal(encode(middle), even, `middle above ${bits}`);
      assert.equal(encode(-middle), even | 0x8000);
      // A hair beside the middle: rounding by way of float32 first would lose it.
      assert.equal(encode(middle * (1 - 2 ** -50)), bits, `below the middle above ${bits}`);
      assert.equal(encode(middle * (1 + 2 ** -50)), bits + 1, `over the middle above ${bits}`);
    }
  });

  test(`${name} turns what is too large into infinity from half a step above the largest`, () => {
    const largest = decode(infinity - 1);
    const step = largest - decode(infinity - 2);
    assert.equal(encode(largest + step / 2), infinity);
    assert.equal(encode((largest + step / 2) * (1 - 2 ** -50)), infinity - 1);
    assert.equal(encode(Number.MAX_VALUE), infinity);
    assert.equal(encode(-Infinity), infinity | 0x8000);
    assert.equal(encode(Number.MIN_VALUE), 0);
    assert.equal(encode(-Number.MIN_VALUE), 0x8000);
  });
}

test('known float16 and bfloat16 values have the bits of the standards', () => {
  assert.deepEqual(
    [1, -2, 65504, 2 ** -24, 2 ** -14, 1 / 3].map(float32ToFloat16),
    [0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x3555],
  );
  assert.deepEqual([1, -2, 3.140625, 2 ** -133].map(float32ToBfloat16), [0x3f80, 0xc000, 0x4049, 0x0001]);
});

test('arrays are converted as single values are', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const half = decodeFloat16(bits);
  const brain = decodeBfloat16(bits);
  for (let i = 0; i < 65536; i++) {
    assert.ok(Object.is(half[i], float16ToFloat32(i)));
    assert.ok(Object.is(brain[i], bfloat16ToFloat32(i)));
  }
  assert.deepEqual(encodeFloat16([0.1, 7]), Uint16Array.of(float32ToFloat16(0.1), 0x4700));
  assert.deepEqual(encodeBfloat16([0.1, 7]), Uint16Array.of(float32ToBfloat16(0.1), 0x40e0));
});
