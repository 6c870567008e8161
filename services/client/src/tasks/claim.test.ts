import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity, isDocumentSignedBy } from '@consilium/platform';
import { purposes, signedClaimSchema, type Task } from '@consilium/protocol';
import { makeClaim, signClaim, splitMetrics } from './claim.js';

const digest = `sha256:${'0'.repeat(64)}`;
const ref = { bucket: 'consilium-work' as const, key: 'k', digest, size: 1 };
const task: Task = {
  id: 's.1.0.validate.site-a',
  kind: 'validate',
  session: 's',
  round: 1,
  attempt: 0,
  rounds: 1,
  client: 'site-a',
  package: { name: 'p', version: '1.0.0', archive: ref, manifest: ref },
  inputs: { weights: ref },
  config: {},
  random_seed: 0,
  deadline: '2026-01-01T00:00:00Z',
  seconds_left: 10,
};

test('whatever a package measures, the claim can be signed, sent and checked', () => {
  const identity = createIdentity('user');
  const metrics = JSON.parse('{"loss": 3e17, "huge": 1e300, "__proto__": 1, "constructor": 2, "ok": 0.5}');
  const all = { ...metrics, nan: Number.NaN, infinite: Number.NEGATIVE_INFINITY };
  Object.defineProperty(all, '__proto__', { value: 1, enumerable: true });
  const done = { isolation: 'process' as const, durationMs: 1, metrics: all, metadata: {}, numExamples: 3 };
  const claim = makeClaim({
    task,
    done,
    dataSet: { name: 'd', files: 1, bytes: 1, digest },
    now: 0,
  });
  assert.deepEqual(claim.metrics, { constructor: 2, ok: 0.5 });
  const sent = signedClaimSchema.parse(JSON.parse(JSON.stringify(signClaim(claim, identity))));
  const signature = { key: sent.key, value: sent.signature };
  assert.ok(isDocumentSignedBy(purposes.result, sent.claim, signature, identity.publicKey));
  const { dropped } = splitMetrics(all);
  assert.deepEqual(dropped.sort(), ['__proto__', 'huge', 'infinite', 'loss', 'nan']);
});
