import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity } from '../keys/identity.js';
import { formatCreds, parseCreds } from './credentials.js';
import { JwtSource } from './jwt-source.js';
import { userJwtForClient } from './permissions.js';

const account = createIdentity('account');
const identity = createIdentity('user');
const start = 1_800_000_000_000;

function jwtAt(now: number, ttl = 600_000): string {
  const { publicKey } = identity;
  return userJwtForClient({
    clientId: 'a',
    publicKey,
    account: account.publicKey,
    accountSigningKey: account,
    now,
    ttl,
  });
}

test('a credentials file comes back as it was written, and one that mixes two identities is refused', () => {
  const jwt = jwtAt(start);
  const read = parseCreds(formatCreds(jwt, identity), 'x.creds');
  assert.equal(read.identity.publicKey, identity.publicKey);
  assert.equal(read.jwt(), jwt);
  assert.throws(() => parseCreds(formatCreds(jwt, createIdentity('user'))), { code: 'TRUST_BAD_JWT' });
  assert.throws(() => parseCreds('nothing', 'x.creds'), { code: 'TRUST_BAD_JWT', where: 'x.creds' });
});

test('a JWT is kept while it is good, renewed in its last thirty seconds and when it was refused', async () => {
  let now = start;
  let fetched = 0;
  const source = new JwtSource(
    () => {
      fetched += 1;
      return jwtAt(now);
    },
    () => now,
  );
  await source.refresh();
  now = start + 569_000;
  await source.refresh();
  assert.equal(fetched, 1);
  now = start + 570_000;
  await source.refresh();
  assert.equal(fetched, 2);
  source.reject();
  await Promise.all([source.refresh(), source.refresh()]);
  assert.equal(fetched, 3, 'two at once share one fetch');
});

test('with a clock that is an hour off, the whole life of the JWT is taken from its arrival', async () => {
  for (const off of [3_600_000, -3_600_000]) {
    const source = new JwtSource(
      () => jwtAt(start),
      () => start + off,
    );
    await source.refresh();
    assert.equal(source.endsAt, start + off + 600_000);
  }
});
