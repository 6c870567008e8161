import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasFeature, openAdvisories, requireFeature, requireServer } from './features.js';

test('each advisory is open below the release that fixes its line, and on lines that got no fix', () => {
  const both = ['CVE-2025-30215', 'CVE-2026-33222'];
  const late = ['CVE-2026-33222'];
  const expected: [string, string[]][] = [
    ['2.9.10', both],
    ['2.10.26', both],
    ['2.10.27', late],
    ['2.11.0', both],
    ['2.11.1', late],
    ['2.11.15', []],
    ['2.12.5', late],
    ['2.12.6', []],
    ['2.15.2', []],
    ['unknown', both],
  ];
  for (const [version, open] of expected) assert.deepEqual(openAdvisories(version), open, version);
});

test('an open server is tolerated on loopback, refused elsewhere by name, unless allowed', () => {
  assert.deepEqual(requireServer('2.9.10', 'nats://127.0.0.1:4222'), ['CVE-2025-30215', 'CVE-2026-33222']);
  assert.throws(() => requireServer('2.9.10', 'nats://10.1.2.3:4222'), {
    code: 'BUS_SERVER_UNSAFE',
    detail: /CVE-2025-30215, CVE-2026-33222.*2\.12\.6/,
    where: 'nats://10.1.2.3:4222',
  });
  assert.equal(requireServer('2.9.10', 'nats.example', { allowOutdated: true }).length, 2);
  assert.deepEqual(requireServer('2.15.2', 'wss://nats.example/nats'), []);
});

test('a server older than 2.9 is refused everywhere, consent or not', () => {
  const old = { code: 'BUS_SERVER_TOO_OLD' };
  assert.throws(() => requireServer('2.8.4', 'nats://127.0.0.1:4222', { allowOutdated: true }), old);
});

test('a feature is there from its version on', () => {
  assert.equal(hasFeature('2.9.25', 'filterSubjects'), false);
  assert.equal(hasFeature('2.10.0', 'filterSubjects'), true);
  assert.throws(() => requireFeature('2.10.9', 'perKeyTtl'), {
    code: 'BUS_SERVER_TOO_OLD',
    detail: /2\.11\.0/,
  });
});
