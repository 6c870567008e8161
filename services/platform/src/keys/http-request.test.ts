import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  memoryNonceCache,
  type SignedRequest,
  signRequest,
  type VerifyRequestOptions,
  verifyRequest,
} from './http-request.js';
import { createIdentity } from './identity.js';

const identity = createIdentity('user');
const now = 1_800_000_000_000;
const request: SignedRequest = {
  method: 'POST',
  path: '/api/v1/enrol?x=1',
  bodyDigest: 'sha256:ab',
  time: now,
  nonce: 'abcdefghijklmnopqrst',
};

function received(changes: Partial<VerifyRequestOptions> = {}): VerifyRequestOptions {
  const { method, path, bodyDigest } = request;
  const headers = signRequest(request, identity);
  return { method, path, bodyDigest, headers, now, nonces: memoryNonceCache(() => now), ...changes };
}

test('a signed request names its signer', async () => {
  assert.deepEqual(await verifyRequest(received()), { publicKey: identity.publicKey });
});

const tampered: [string, Partial<VerifyRequestOptions>][] = [
  ['another method', { method: 'PUT' }],
  ['another path', { path: '/api/v1/enrol?x=2' }],
  ['another body', { bodyDigest: 'sha256:ac' }],
  ['another time', { headers: { ...signRequest(request, identity), 'consilium-time': String(now + 1) } }],
  [
    'another nonce',
    { headers: { ...signRequest(request, identity), 'consilium-nonce': 'zbcdefghijklmnopqrst' } },
  ],
  [
    'another key',
    { headers: { ...signRequest(request, identity), 'consilium-key': createIdentity('user').publicKey } },
  ],
];
for (const [name, change] of tampered) {
  test(`${name} breaks the signature`, async () => {
    await assert.rejects(verifyRequest(received(change)), { code: 'TRUST_BAD_SIGNATURE' });
  });
}

test('a clock that is off by more than the limit is told how far', async () => {
  for (const off of [301_000, -301_000]) {
    const failed = verifyRequest(received({ now: now + off }));
    await assert.rejects(failed, { code: 'TRUST_CLOCK_SKEW', detail: new RegExp(`${off / 1000} s apart`) });
  }
  await verifyRequest(received({ now: now + 299_000 }));
});

test('the same request a second time is a replay, and a full cache forgets nothing that still counts', async () => {
  let time = now;
  const nonces = memoryNonceCache(() => time, 1);
  await verifyRequest(received({ nonces }));
  await assert.rejects(verifyRequest(received({ nonces })), { code: 'TRUST_REPLAY' });
  const next = { ...request, nonce: 'bbcdefghijklmnopqrst' };
  await assert.rejects(verifyRequest(received({ nonces, headers: signRequest(next, identity) })), {
    code: 'TRUST_REPLAY',
  });
  time = now + 600_001;
  await verifyRequest(received({ nonces, headers: signRequest(next, identity) }));
});

test('a request with a header missing or malformed is unauthenticated', async () => {
  const headers = signRequest(request, identity);
  for (const name of Object.keys(headers).filter((n) => n !== 'consilium-digest')) {
    const failed = verifyRequest(received({ headers: { ...headers, [name]: undefined } }));
    await assert.rejects(failed, { code: 'TRUST_UNAUTHENTICATED' }, name);
  }
  const failed = verifyRequest(received({ headers: { ...headers, 'consilium-time': 'soon' } }));
  await assert.rejects(failed, { code: 'TRUST_UNAUTHENTICATED' });
});

test('keys that nobody knows take no room among the nonces, so strangers shut nobody out', async () => {
  const nonces = memoryNonceCache(() => now, 3);
  const known = (key: string): void => {
    if (key !== identity.publicKey) throw new Error('unknown key');
  };
  for (let i = 0; i < 5; i++) {
    const headers = signRequest(request, createIdentity('user'));
    await assert.rejects(verifyRequest(received({ nonces, known, headers })), /unknown key/);
  }
  assert.deepEqual(await verifyRequest(received({ nonces, known })), { publicKey: identity.publicKey });
});

test('a key that is known but floods fills its own share of the nonces only', async () => {
  let time = now;
  const nonces = memoryNonceCache(() => time, 100, 4);
  const flood = createIdentity('user');
  const send = (i: number): Promise<unknown> => {
    const headers = signRequest({ ...request, time, nonce: `nonce-number-0000${i}` }, flood);
    return verifyRequest(received({ nonces, headers, now: time }));
  };
  for (let i = 0; i < 4; i++) await send(i);
  await assert.rejects(send(4), { code: 'TRUST_REPLAY' });
  await verifyRequest(received({ nonces }));
  time += 600_001;
  await send(5);
});
