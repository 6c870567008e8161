import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalJson } from './canonical-json.js';

test('members are sorted by UTF-16 code units at every level and white space is left out', () => {
  const value = { b: [1, { d: 4, c: 3 }], a: 'x', '\u20ac': 1, '\r': 2, '1': 3, '\u{1f600}': 4, '\ufb33': 5 };
  assert.equal(
    canonicalJson(value),
    '{"\\r":2,"1":3,"a":"x","b":[1,{"c":3,"d":4}],"\u20ac":1,"\u{1f600}":4,"\ufb33":5}',
  );
});

test('numbers are written as RFC 8785 has them', () => {
  assert.equal(
    canonicalJson([Number('333333333.33333329'), 1e30, 4.5, 2e-3, 1e-27, -0, 0]),
    '[333333333.3333333,1e+30,4.5,0.002,1e-27,0,0]',
  );
});

test('members that are undefined are left out, so an optional field may be absent or undefined', () => {
  assert.equal(canonicalJson({ a: undefined, b: null }), '{"b":null}');
});

test('text is escaped as JSON.stringify does', () => {
  assert.equal(canonicalJson('\u000f\n"\\/\u20ac'), '"\\u000f\\n\\"\\\\/\u20ac"');
});

const refused: [string, unknown, string][] = [
  ['NaN', { x: Number.NaN }, '$.x'],
  ['infinity', [Number.POSITIVE_INFINITY], '$[0]'],
  ['an integer beyond 2^53', { a: [2 ** 53] }, '$.a[0]'],
  ['a bigint', { a: 1n }, '$.a'],
  ['undefined in an array', [undefined], '$[0]'],
  ['a hole in an array', Object.assign(new Array(3), { 0: 1, 2: 2 }), '$[1]'],
  ['a Date', { at: new Date(0) }, '$.at'],
  ['a Map', new Map(), '$'],
  ['a function', { f: () => 1 }, '$.f'],
  ['half a surrogate pair', { t: '\ud800' }, '$.t'],
];
for (const [name, value, where] of refused) {
  test(`${name} is refused with its path`, () => {
    assert.throws(() => canonicalJson(value), { code: 'TRUST_NOT_CANONICAL', where });
  });
}

test('nesting without end is refused instead of overflowing the stack', () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  assert.throws(() => canonicalJson(loop), { code: 'TRUST_NOT_CANONICAL' });
});
