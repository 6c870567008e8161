import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadIdentity, parseCreds } from '@consilium/platform';
import { type AllianceOptions, bootstrapAlliance } from './bootstrap.js';

async function inFolder(work: (options: AllianceOptions) => Promise<void>): Promise<void> {
  const out = await mkdtemp(join(tmpdir(), 'consilium-bootstrap-'));
  try {
    await work({
      out,
      reducers: ['reducer-1'],
      combiners: ['combiner-1', 'combiner-2'],
      natsDir: '/var/lib/nats',
      maxFile: 2 ** 30,
      now: Date.UTC(2026, 10, 22),
    });
  } finally {
    await rm(out, { recursive: true });
  }
}

/** Every file below the folder with its content. */
async function contents(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(files.sort().map(async (f) => [f, await readFile(f, 'utf8')] as const)));
}

test('each service gets a folder with what it needs and nothing of the others', async () => {
  await inFolder(async (options) => {
    const { keepAdminToken, account } = await bootstrapAlliance(options);
    await keepAdminToken();
    const { out } = options;
    assert.deepEqual((await readdir(out)).sort(), ['combiners', 'nats', 'reducer', 'store', 'trust']);
    assert.deepEqual((await readdir(join(out, 'reducer'))).sort(), [
      'account-signing.nk',
      'account.pub',
      'admin-token.sha256',
      'reducer-1.creds',
      'reducer.nk',
    ]);
    assert.deepEqual(await readdir(join(out, 'combiners', 'combiner-2')), ['combiner-2.creds']);
    assert.deepEqual((await readdir(join(out, 'store'))).sort(), ['access-key', 'secret-key']);
    assert.equal((await readFile(join(out, 'reducer', 'account.pub'), 'utf8')).trim(), account);
    const creds = await readFile(join(out, 'combiners', 'combiner-1', 'combiner-1.creds'), 'utf8');
    assert.match(parseCreds(creds, 'creds').identity.publicKey, /^U/);
  });
});

test("no secret reaches nats-server's folder", async () => {
  await inFolder(async (options) => {
    await bootstrapAlliance(options);
    for (const [file, text] of await contents(join(options.out, 'nats'))) {
      assert.doesNotMatch(text, /\bS[OAU][A-Z2-7]{56}\b/, file);
    }
    const config = await readFile(join(options.out, 'nats', 'nats-server.conf'), 'utf8');
    assert.match(config, /listen: "0\.0\.0\.0:4222"/);
    assert.match(config, /store_dir: "\/var\/lib\/nats\/jetstream"/);
    assert.doesNotMatch(config, new RegExp(options.out));
  });
});

test('secrets are readable by their owner alone', async () => {
  await inFolder(async (options) => {
    await (await bootstrapAlliance(options)).keepAdminToken();
    for (const file of (await contents(options.out)).keys()) {
      assert.equal(((await stat(file)).mode & 0o777).toString(8), '600', file);
    }
  });
});

test('a second run changes no file and tells no token again', async () => {
  await inFolder(async (options) => {
    const first = await bootstrapAlliance(options);
    await first.keepAdminToken();
    const before = await contents(options.out);
    const second = await bootstrapAlliance({ ...options, now: options.now + 86_400_000 });
    await second.keepAdminToken();
    assert.equal(second.adminToken, undefined);
    assert.equal(second.reducerKey, first.reducerKey);
    assert.deepEqual(await contents(options.out), before);
  });
});

test('another combiner is added without touching the others', async () => {
  await inFolder(async (options) => {
    await bootstrapAlliance(options);
    const before = await contents(join(options.out, 'combiners'));
    await bootstrapAlliance({ ...options, combiners: [...options.combiners, 'combiner-3'] });
    const after = await contents(join(options.out, 'combiners'));
    for (const [file, text] of before) assert.equal(after.get(file), text);
    assert.equal(after.size, before.size + 1);
  });
});

test('a lost folder of a service comes back with the same keys', async () => {
  await inFolder(async (options) => {
    const { reducerKey, keepAdminToken } = await bootstrapAlliance(options);
    await keepAdminToken();
    const reducer = join(options.out, 'reducer');
    const before = await contents(reducer);
    await rm(reducer, { recursive: true });
    await bootstrapAlliance(options);
    assert.deepEqual(await contents(reducer), before);
    assert.equal((await loadIdentity(join(reducer, 'reducer.nk'))).publicKey, reducerKey);
  });
});

test('the token is told again until its hash is kept, and only the hash is kept', async () => {
  await inFolder(async (options) => {
    const lost = await bootstrapAlliance(options);
    const told = await bootstrapAlliance(options);
    assert.notEqual(told.adminToken, undefined);
    assert.notEqual(told.adminToken, lost.adminToken);
    await told.keepAdminToken();
    const hash = createHash('sha256').update(told.adminToken!).digest('hex');
    const kept = await readFile(join(options.out, 'reducer', 'admin-token.sha256'), 'utf8');
    assert.equal(kept.trim(), hash);
    for (const [file, text] of await contents(options.out)) {
      assert.ok(!text.includes(told.adminToken!), file);
    }
  });
});

test('given credentials of the store replace those that were made', async () => {
  await inFolder(async (options) => {
    await bootstrapAlliance(options);
    await bootstrapAlliance({ ...options, accessKey: 'theirs', secretKey: 'their-secret' });
    await bootstrapAlliance(options);
    assert.equal(await readFile(join(options.out, 'store', 'access-key'), 'utf8'), 'theirs\n');
    assert.equal(await readFile(join(options.out, 'store', 'secret-key'), 'utf8'), 'their-secret\n');
  });
});
