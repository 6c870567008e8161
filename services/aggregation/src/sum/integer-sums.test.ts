import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytesOf } from '@consilium/tensor';
import { seededRandom, shuffled } from '../testing/random.js';
import type { IntegerDType } from './integer-sums.js';
import { divideHalfEven, IntegerSums } from './integer-sums.js';

type Wide = BigInt64Array | BigUint64Array;

function meanOf(dtype: IntegerDType, updates: [ArrayBufferView & ArrayLike<unknown>, number][]): Uint8Array {
  const { length } = updates[0]![0];
  const sums = new IntegerSums(length);
  sums.clear(length);
  sums.add(
    updates.map(([values, weight]) => ({ dtype, weight, bytes: bytesOf(values) })),
    0,
    length,
  );
  return sums.means(
    updates.reduce((sum, [, weight]) => sum + weight, 0),
    dtype,
    0,
    length,
  );
}

describe('sums of integers', () => {
  it('round the mean half to even, for negative numbers too', () => {
    const mean = meanOf('int32', [
      [Int32Array.of(0, 1, 2, 3, 0, -1, -2, -3), 1],
      [Int32Array.of(1, 2, 3, 4, -1, -2, -3, -4), 1],
    ]);
    assert.deepEqual([...new Int32Array(mean.buffer)], [0, 2, 2, 4, 0, -2, -2, -4]);
    assert.deepEqual(
      [-7n, -6n, -5n, -4n, -3n, -2n, -1n, 0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((n) => divideHalfEven(n, 4n)),
      [-2n, -2n, -1n, -1n, -1n, 0n, 0n, 0n, 0n, 0n, 1n, 1n, 1n, 2n, 2n],
    );
  });

  it('are exact for the extremes of every dtype at the largest weight', () => {
    const extremes: [IntegerDType, ArrayBufferView & ArrayLike<unknown>][] = [
      ['int8', Int8Array.of(-128, 127)],
      ['uint8', Uint8Array.of(0, 255)],
      ['bool', Uint8Array.of(0, 1)],
      ['int16', Int16Array.of(-32768, 32767)],
      ['uint16', Uint16Array.of(0, 65535)],
      ['int32', Int32Array.of(-2147483648, 2147483647)],
      ['uint32', Uint32Array.of(0, 4294967295)],
      ['int64', BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)],
      ['uint64', BigUint64Array.of(0n, 2n ** 64n - 1n)],
    ];
    for (const [dtype, values] of extremes) {
      const updates = Array.from({ length: 20 }, () => [values, 2 ** 31] as [typeof values, number]);
      assert.deepEqual(meanOf(dtype, updates), new Uint8Array(bytesOf(values)), dtype);
    }
  });

  it('keep the lanes of 64-bit sums for every order', () => {
    const random = seededRandom(5);
    const values = Array.from(
      { length: 9 },
      (_, i): Wide =>
        BigInt64Array.of(BigInt.asIntN(64, BigInt(Math.floor(random() * 2 ** 52)) << BigInt(i + 3))),
    );
    const lanes = Array.from({ length: 20 }, () => {
      const sums = new IntegerSums(1);
      sums.clear(1);
      const batch = values.map((each, i) => ({
        dtype: 'int64' as const,
        weight: 1 + i,
        bytes: bytesOf(each),
      }));
      sums.add(shuffled(batch, random), 0, 1);
      return sums.lanes(0, 1);
    });
    const exact = values.reduce((sum, each, i) => sum + (each[0]! as bigint) * BigInt(1 + i), 0n);
    for (const [high, low] of lanes) assert.equal((high! << 64n) + BigInt.asUintN(64, low!), exact);
  });

  it('take any non-zero byte of a bool as true, and the majority as the mean', () => {
    const mean = meanOf('bool', [
      [Uint8Array.of(1, 1, 0), 5],
      [Uint8Array.of(255, 0, 0), 4],
      [Uint8Array.of(1, 0, 1), 1],
    ]);
    assert.deepEqual([...mean], [1, 0, 0]);
  });
});
