import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { publisherIdentity, publisherKeyFile, publisherKeys } from './publisher.js';

test('the publisher key is made on first use, for its person alone, and stays the same', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'consilium-key-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'deep', 'my.nk');
  assert.deepEqual(await publisherKeys(file), []);
  await assert.rejects(stat(file), 'asking for the keys makes none');
  const { publicKey } = await publisherIdentity(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await publisherIdentity(file)).publicKey, publicKey);
  assert.deepEqual(await publisherKeys(file), [publicKey]);
});

test('the publisher key lies in the configuration folder of the person', () => {
  assert.equal(publisherKeyFile(undefined, { XDG_CONFIG_HOME: '/c' }), '/c/consilium/publisher.nk');
  assert.match(publisherKeyFile(undefined, {}), /\/\.config\/consilium\/publisher\.nk$/);
});
