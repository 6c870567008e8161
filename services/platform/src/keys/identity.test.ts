import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fromPublic, fromSeed } from '@nats-io/nkeys';
import { signDocument, verifyDocument } from './document.js';
import {
  createIdentity,
  fingerprint,
  identityFromSeed,
  kindOf,
  requirePublicKey,
  verify,
} from './identity.js';
import { createSecretFile, loadIdentity, loadOrCreateIdentity, saveIdentity } from './key-file.js';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'consilium-keys-'));
});
after(() => rm(dir, { recursive: true }));

const bytes = new TextEncoder().encode('what is signed');

test('signatures are those of the nkeys library, both ways', () => {
  for (const kind of ['operator', 'account', 'user'] as const) {
    const identity = createIdentity(kind);
    const theirs = fromSeed(new TextEncoder().encode(identity.seed()));
    assert.deepEqual(identity.sign(bytes), new Uint8Array(theirs.sign(bytes)));
    assert.ok(fromPublic(identity.publicKey).verify(bytes, identity.sign(bytes)));
    assert.ok(verify(identity.publicKey, bytes, theirs.sign(bytes)));
    assert.equal(kindOf(identity.publicKey), kind);
    assert.equal(fingerprint(identity), identity.publicKey);
  }
});

test('a changed byte, another key or a cut signature does not verify', () => {
  const identity = createIdentity('user');
  const signature = identity.sign(bytes);
  assert.equal(verify(createIdentity('user').publicKey, bytes, signature), false);
  assert.equal(verify(identity.publicKey, new TextEncoder().encode('what is signeD'), signature), false);
  assert.equal(verify(identity.publicKey, bytes, signature.subarray(0, 63)), false);
});

test('a public key with a typing error, or of another kind, is refused', () => {
  const { publicKey } = createIdentity('user');
  const wrong = publicKey.slice(0, -1) + (publicKey.endsWith('A') ? 'B' : 'A');
  assert.throws(() => requirePublicKey(wrong, 'signer'), { code: 'TRUST_BAD_KEY', where: 'signer' });
  assert.throws(() => requirePublicKey(publicKey, 'account', 'account'), { code: 'TRUST_BAD_KEY' });
});

test('a damaged seed is refused without being repeated in the error', () => {
  const seed = `${createIdentity('user').seed().slice(0, -2)}77`;
  assert.throws(
    () => identityFromSeed(seed, 'client.nk'),
    (error: Error & { code?: string }) =>
      error.code === 'TRUST_BAD_KEY' && !error.message.includes(seed.slice(0, 10)),
  );
});

test('a key file is 0600, comes back the same, and is never overwritten', async () => {
  const path = join(dir, 'deep', 'a.nk');
  const identity = createIdentity('user');
  await saveIdentity(identity, path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(dir, 'deep'))).mode & 0o777, 0o700);
  assert.equal((await loadIdentity(path)).publicKey, identity.publicKey);
  await assert.rejects(saveIdentity(createIdentity('user'), path), { code: 'TRUST_KEY_EXISTS', where: path });
  assert.equal((await readFile(path, 'utf8')).trim(), identity.seed());
});

test('a key file that others can read is refused, a missing one is said to be missing', async () => {
  const path = join(dir, 'open.nk');
  await createSecretFile(path, createIdentity('user').seed());
  for (const mode of [0o640, 0o604, 0o660]) {
    await chmod(path, mode);
    await assert.rejects(loadIdentity(path), { code: 'TRUST_KEY_READABLE', where: path });
  }
  await assert.rejects(loadIdentity(join(dir, 'none.nk')), { code: 'TRUST_KEY_MISSING' });
  const junk = join(dir, 'junk.nk');
  await writeFile(junk, 'not a seed', { mode: 0o600 });
  await assert.rejects(loadIdentity(junk), { code: 'TRUST_BAD_KEY', where: junk });
});

test('two callers that create the same key file at once get the same key', async () => {
  const path = join(dir, 'race.nk');
  const all = await Promise.all(Array.from({ length: 5 }, () => loadOrCreateIdentity(path, 'user')));
  assert.equal(new Set(all.map((i) => i.publicKey)).size, 1);
});

test('a document signature holds for its content, its purpose and its key only', () => {
  const identity = createIdentity('user');
  const signature = signDocument('update', { b: 1, a: 2 }, identity);
  verifyDocument('update', { a: 2, b: 1 }, signature, identity.publicKey);
  const bad = { code: 'TRUST_BAD_SIGNATURE' };
  assert.throws(() => verifyDocument('update', { a: 2, b: 2 }, signature, identity.publicKey), bad);
  assert.throws(() => verifyDocument('manifest', { a: 2, b: 1 }, signature, identity.publicKey), bad);
  const other = createIdentity('user').publicKey;
  assert.throws(() => verifyDocument('update', { a: 2, b: 1 }, signature, other), bad);
  assert.throws(() => verifyDocument('update', { a: 2, b: 1 }, { ...signature, key: other }, other), bad);
  const respelled = { ...signature, value: `${signature.value}=` };
  assert.throws(() => verifyDocument('update', { a: 2, b: 1 }, respelled, identity.publicKey), bad);
});
