import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { encodeBase32 } from '../base32.js';
import { canonicalJson } from '../canonical-json.js';
import { createIdentity } from '../identity.js';
import type { UserNats } from './claims.js';
import { unlimitedAccount } from './claims.js';
import { decodeJwt, verifyJwt } from './decode.js';
import { accountJwt, userJwt } from './encode.js';

const account = createIdentity('account');
const signing = createIdentity('account');
const user = createIdentity('user');
const now = 1_800_000_000_000;
const about = {
  subject: user.publicKey,
  name: 'site-a',
  now,
  expiresAt: now + 600_000,
  account: account.publicKey,
  permissions: { pub: { allow: ['a.>'] }, sub: { allow: ['b.>'] } },
};
const jwt = userJwt(about, signing);
const options = { issuers: [signing.publicKey], type: 'user', now, where: 'test' } as const;

test('a user JWT says who, by whom, until when, and writes every limit out', () => {
  const claims = verifyJwt(jwt, options);
  assert.equal(claims.sub, user.publicKey);
  assert.equal(claims.iss, signing.publicKey);
  assert.equal(claims.exp, (now + 600_000) / 1000);
  const nats = claims.nats as UserNats;
  assert.equal(nats.issuer_account, account.publicKey);
  assert.deepEqual([nats.subs, nats.data, nats.payload, nats.bearer_token], [-1, -1, -1, false]);
});

test('its id is the base32 of the SHA-512/256 of the claims without it', () => {
  const { jti, ...rest } = decodeJwt(jwt);
  assert.equal(jti, encodeBase32(createHash('sha512-256').update(canonicalJson(rest)).digest()));
  assert.equal(jti.length, 52);
});

test('signed by the account itself it names no issuer account', () => {
  assert.equal((decodeJwt(userJwt(about, account)).nats as UserNats).issuer_account, undefined);
});

test('a changed claim, an unknown issuer, another type and the past are refused', () => {
  const [head = '', body = '', signature = ''] = jwt.split('.');
  const text = Buffer.from(body, 'base64url').toString();
  const forged = [head, Buffer.from(text.replace('a.>', '>')).toString('base64url'), signature].join('.');
  assert.throws(() => verifyJwt(forged, options), { code: 'TRUST_BAD_JWT', detail: /signature/ });
  assert.throws(() => verifyJwt(jwt, { ...options, issuers: [account.publicKey] }), {
    code: 'TRUST_BAD_JWT',
  });
  assert.throws(() => verifyJwt(jwt, { ...options, type: 'account' }), { code: 'TRUST_BAD_JWT' });
  assert.throws(() => verifyJwt(jwt, { ...options, now: now + 600_000 }), { code: 'TRUST_JWT_EXPIRED' });
});

test('an algorithm of "none" is refused', () => {
  const [, body] = jwt.split('.');
  const head = Buffer.from('{"typ":"JWT","alg":"none"}').toString('base64url');
  assert.throws(() => decodeJwt(`${head}.${body}.`), { code: 'TRUST_BAD_JWT', detail: /none/ });
});

test('what is no JWT at all is refused', () => {
  for (const text of ['', 'a.b', 'a.b.c', `${jwt}.x`]) {
    assert.throws(() => decodeJwt(text, 'here'), { code: 'TRUST_BAD_JWT', where: 'here' }, text);
  }
});

test('keys of the wrong kind are refused when a JWT is made', () => {
  assert.throws(() => userJwt({ ...about, subject: account.publicKey }, signing), { code: 'TRUST_BAD_KEY' });
  assert.throws(() => userJwt(about, user), { code: 'TRUST_BAD_KEY' });
  const wrong = {
    subject: account.publicKey,
    name: 'x',
    now,
    limits: unlimitedAccount,
    signingKeys: [user.publicKey],
  };
  assert.throws(() => accountJwt(wrong, createIdentity('operator')), { code: 'TRUST_BAD_KEY' });
});
