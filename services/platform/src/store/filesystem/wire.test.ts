import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signature, signatureMatches, storeHeader } from './wire.js';

const key = 'k'.repeat(32);
const url = () => ({
  method: 'PUT',
  host: 'hub.example:8443',
  path: '/bucket/a%20b',
  query: new URLSearchParams({
    'x-c-expires': '1000',
    'x-c-size': '5',
    'x-c-digest': 'sha256:0',
    'x-c-once': '1',
  }),
});

test('a signature holds for the same request, in any order of its parameters', () => {
  const given = signature(key, url());
  assert.ok(signatureMatches(key, url(), given));
  const { query, ...rest } = url();
  const reversed = new URLSearchParams([...query].reverse());
  reversed.set('x-c-signature', given);
  assert.ok(signatureMatches(key, { ...rest, query: reversed, host: 'HUB.example:8443' }, given));
});

test('a signature covers method, host, path and every parameter', () => {
  const given = signature(key, url());
  const changed: Partial<ReturnType<typeof url>>[] = [
    { method: 'GET' },
    { host: 'hub.example' },
    { path: '/bucket/a%20c' },
    { path: '/bucket/a b' },
  ];
  for (const change of changed) assert.ok(!signatureMatches(key, { ...url(), ...change }, given));
  for (const name of url().query.keys()) {
    const other = url();
    other.query.set(name, '2');
    assert.ok(!signatureMatches(key, other, given), name);
    other.query.delete(name);
    assert.ok(!signatureMatches(key, other, given), name);
  }
  const more = url();
  more.query.set('uploadId', 'x');
  assert.ok(!signatureMatches(key, more, given));
  assert.ok(!signatureMatches('l'.repeat(32), url(), given));
});

test('a URL signature cannot be used as a service signature, which covers headers and expiry', () => {
  assert.ok(!signatureMatches(key, { ...url(), headers: {}, expires: 1000 }, signature(key, url())));
  const service = {
    ...url(),
    expires: 1000,
    headers: { 'if-none-match': '*', 'content-length': '5', [storeHeader.digest]: 'sha256:0' },
  };
  const given = signature(key, service);
  assert.ok(signatureMatches(key, service, given));
  assert.ok(!signatureMatches(key, { ...service, expires: 1001 }, given));
  for (const name of [
    'if-none-match',
    'if-match',
    'content-length',
    'range',
    'content-type',
    storeHeader.digest,
  ]) {
    assert.ok(
      !signatureMatches(key, { ...service, headers: { ...service.headers, [name]: '7' } }, given),
      name,
    );
  }
});

test('a field cannot be moved into its neighbour', () => {
  const a = { ...url(), headers: { 'if-match': 'x' }, expires: 1 };
  const b = { ...url(), headers: { 'if-none-match': 'x' }, expires: 1 };
  assert.notEqual(signature(key, a), signature(key, b));
  const c = { ...url(), query: new URLSearchParams({ a: '1&b=2' }) };
  const d = { ...url(), query: new URLSearchParams({ a: '1', b: '2' }) };
  assert.notEqual(signature(key, c), signature(key, d));
});

test('only the exact text of a signature counts, whatever is given', () => {
  const given = signature(key, url());
  for (const bad of ['', 'x', `${given}=`, `${given} `, given.slice(1), `${given}A`, '\0', 'é'.repeat(43)]) {
    assert.ok(!signatureMatches(key, url(), bad), JSON.stringify(bad));
  }
});
