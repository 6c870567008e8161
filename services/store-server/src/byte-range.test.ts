import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteRange } from './byte-range.js';

test('a Range header picks its bytes', () => {
  const cases: [string | undefined, number, number, boolean][] = [
    [undefined, 0, 100, false],
    ['bytes=0-0', 0, 1, true],
    ['bytes=10-', 10, 90, true],
    ['bytes=90-1000', 90, 10, true],
    ['bytes=-10', 90, 10, true],
    ['bytes=-1000', 0, 100, true],
    ['bytes=-', 0, 100, false],
    ['bytes=0-1,5-6', 0, 100, false],
    ['lines=1-2', 0, 100, false],
  ];
  for (const [header, offset, length, partial] of cases) {
    assert.deepEqual(byteRange(header, 100, 'x'), { offset, length, partial }, header);
  }
  assert.deepEqual(byteRange('bytes=0-5', 0, 'x'), { offset: 0, length: 0, partial: false });
});

test('a range outside the object is refused', () => {
  for (const header of ['bytes=100-', 'bytes=100-200', 'bytes=5-4', 'bytes=-0']) {
    assert.throws(() => byteRange(header, 100, 'x'), { code: 'STORE_BAD_RANGE' }, header);
  }
  assert.throws(() => byteRange('bytes=1-', 0, 'x'), { code: 'STORE_BAD_RANGE' });
});
