import assert from 'node:assert/strict';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createIdentity } from '@consilium/platform/keys';
import type { ErrorCode } from '@consilium/protocol';
import { defaultPackageLimits, type PackageLimits } from './package-files.js';
import { type RawMember, rawTar, signedArchive } from './testing/archives.js';
import { temporaryFolder } from './testing/folders.js';
import { removeLeftovers, unpackPackage } from './unpack.js';

const publisher = createIdentity('user');
const allowed = { signers: [publisher.publicKey] };
const good: RawMember = { path: 'train.sh', content: 'echo hello\n' };

async function refused(
  t: TestContext,
  code: ErrorCode,
  pack: { manifest: unknown; archive: Uint8Array },
  limits: PackageLimits = defaultPackageLimits,
): Promise<Error> {
  const cache = join(await temporaryFolder(t), 'cache');
  let error: Error | undefined;
  await assert.rejects(
    unpackPackage(pack.manifest, pack.archive, { cache, allowed, limits }),
    (thrown: Error) => {
      error = thrown;
      assert.equal((thrown as Error & { code: string }).code, code, thrown.stack);
      return true;
    },
  );
  const left = await readdir(cache).catch(() => []);
  assert.deepEqual(left, [], 'nothing is left in the cache');
  return error!;
}

const badMembers: readonly [string, ErrorCode, readonly RawMember[]][] = [
  ['an absolute path', 'PKG_PATH_ABSOLUTE', [{ path: '/etc/passwd', content: 'x' }]],
  ['a drive letter', 'PKG_PATH_ABSOLUTE', [{ path: 'C:/windows/x', content: 'x' }]],
  ['".." at the beginning of a path', 'PKG_PATH_TRAVERSAL', [{ path: '../x', content: 'x' }]],
  ['".." within a path', 'PKG_PATH_TRAVERSAL', [{ path: 'a/../../x', content: 'x' }]],
  ['".." behind backslashes', 'PKG_PATH_TRAVERSAL', [{ path: 'a\\..\\..\\x', content: 'x' }]],
  ['a backslash', 'PKG_PATH_INVALID', [{ path: 'a\\x', content: 'x' }]],
  ['a line feed in a name', 'PKG_PATH_INVALID', [{ path: 'a\nx', content: 'x' }]],
  ['an escape character in a name', 'PKG_PATH_INVALID', [{ path: 'a\u001b[2Jx', content: 'x' }]],
  ['a path with an empty part', 'PKG_PATH_INVALID', [{ path: 'a//x', content: 'x' }]],
  ['a path with "."', 'PKG_PATH_INVALID', [{ path: './x', content: 'x' }]],
  ['a name that ends with a dot', 'PKG_PATH_INVALID', [{ path: 'x.', content: 'x' }]],
  ['the name of a Windows device', 'PKG_PATH_INVALID', [{ path: 'lib/NUL.txt', content: 'x' }]],
  ['a stream of a file', 'PKG_PATH_INVALID', [{ path: 'x.txt:hidden', content: 'x' }]],
  [
    'a node_modules folder',
    'PKG_PATH_INVALID',
    [{ path: 'node_modules/@consilium/sdk/index.js', content: 'x' }],
  ],
  ['a symbolic link', 'PKG_LINK', [{ path: 'x', type: 'SymbolicLink', linkpath: '/etc/passwd' }]],
  ['a hard link', 'PKG_LINK', [good, { path: 'x', type: 'Link', linkpath: 'train.sh' }]],
  ['a FIFO', 'PKG_SPECIAL_FILE', [{ path: 'x', type: 'FIFO' }]],
  ['a character device', 'PKG_SPECIAL_FILE', [{ path: 'x', type: 'CharacterDevice' }]],
  ['a block device', 'PKG_SPECIAL_FILE', [{ path: 'x', type: 'BlockDevice' }]],
  ['a pax header', 'PKG_SPECIAL_FILE', [{ path: 'x', typeLetter: 'x', content: '12 path=../a\n' }, good]],
  ['a sparse file', 'PKG_SPECIAL_FILE', [{ path: 'x', typeLetter: 'S' }]],
  [
    'a GNU long name',
    'PKG_PATH_TOO_LONG',
    [{ path: '././@LongLink', typeLetter: 'L', content: '../a\0' }, good],
  ],
  [
    'a path that is too long',
    'PKG_PATH_TOO_LONG',
    [{ path: `${'d'.repeat(100)}/${'e'.repeat(50)}/${'f'.repeat(90)}`, content: 'x' }],
  ],
  ['the same name twice', 'PKG_DUPLICATE_MEMBER', [good, good]],
  ['names that differ in case', 'PKG_CASE_COLLISION', [good, { path: 'TRAIN.sh', content: 'x' }]],
  [
    'names that differ in the form of an accent',
    'PKG_CASE_COLLISION',
    [
      { path: '\u00e9', content: 'x' },
      { path: 'e\u0301', content: 'y' },
    ],
  ],
  [
    'a file where a folder is needed',
    'PKG_DUPLICATE_MEMBER',
    [
      { path: 'a', content: 'x' },
      { path: 'a/b', content: 'x' },
    ],
  ],
  ['a folder that leads out', 'PKG_PATH_TRAVERSAL', [{ path: '../out/', type: 'Directory' }, good]],
];

for (const [what, code, members] of badMembers) {
  test(`an archive with ${what} is refused with ${code}`, async (t) => {
    await refused(t, code, signedArchive(publisher, members, { listed: [good, ...members] }));
  });
}

test('a file that the manifest does not list is refused', async (t) => {
  await refused(
    t,
    'PKG_MEMBER_UNLISTED',
    signedArchive(publisher, [good, { path: 'x', content: 'x' }], { listed: [good] }),
  );
});

test('a file with another content than listed is refused, with both digests', async (t) => {
  const listed = [{ ...good, content: 'echo hallo\n' }];
  const error = await refused(t, 'PKG_MEMBER_DIGEST', signedArchive(publisher, [good], { listed }));
  assert.match(error.message, /[0-9a-f]{64}.*[0-9a-f]{64}/);
});

test('a listed file that is not in the archive is reported', async (t) => {
  await refused(
    t,
    'PKG_MEMBER_MISSING',
    signedArchive(publisher, [good], { listed: [good, { path: 'x', content: 'x' }] }),
  );
});

test('an archive whose bytes are not those that were signed is refused before it is read', async (t) => {
  const { archive, manifest } = signedArchive(publisher, [good]);
  const changed = Buffer.from(archive);
  changed[changed.length - 1]! ^= 1;
  await refused(t, 'PKG_DIGEST_MISMATCH', { archive: changed, manifest });
});

test('a manifest without a signature is refused', async (t) => {
  const { archive, manifest } = signedArchive(publisher, [good]);
  await refused(t, 'PKG_UNSIGNED', { archive, manifest: { content: manifest.content } });
  await refused(t, 'PKG_UNSIGNED', { archive, manifest: { ...manifest, signature: null } });
});

test('a manifest that was changed after it was signed is refused', async (t) => {
  const { archive, manifest } = signedArchive(publisher, [good]);
  const content = { ...manifest.content, entry: { train: ['sh', '-c', 'curl evil'] } };
  await refused(t, 'PKG_BAD_SIGNATURE', { archive, manifest: { ...manifest, content } });
});

test('a publisher who is not the signer is refused', async (t) => {
  const { archive, manifest } = signedArchive(publisher, [good]);
  const content = { ...manifest.content, publisher: createIdentity('user').publicKey };
  await refused(t, 'PKG_BAD_SIGNATURE', { archive, manifest: { ...manifest, content } });
});

test('a signer the site does not allow is refused by name', async (t) => {
  const stranger = createIdentity('user');
  const error = await refused(t, 'PKG_SIGNER_NOT_ALLOWED', signedArchive(stranger, [good]));
  assert.ok(error.message.includes(stranger.publicKey));
});

test('a stranger’s archive runs when its digest is allowed, but never unsigned', async (t) => {
  const { archive, manifest } = signedArchive(createIdentity('user'), [good]);
  const cache = await temporaryFolder(t);
  const byDigest = { signers: [], digests: [manifest.content.digest] };
  const { folder } = await unpackPackage(manifest, archive, { cache, allowed: byDigest });
  assert.equal(await readFile(join(folder, 'train.sh'), 'utf8'), good.content);
  await assert.rejects(unpackPackage({ content: manifest.content }, archive, { cache, allowed: byDigest }), {
    code: 'PKG_UNSIGNED',
  });
});

test('a manifest of another shape is refused with the field', async (t) => {
  const { archive, manifest } = signedArchive(publisher, [good]);
  const content = { ...manifest.content, size: 'big' };
  const error = await refused(t, 'PKG_BAD_MANIFEST', { archive, manifest: { ...manifest, content } });
  assert.match(error.message, /content\.size/);
  await refused(t, 'PKG_BAD_MANIFEST', { archive, manifest: 'hello' });
});

const badBytes: readonly [string, ErrorCode, Buffer][] = [
  ['no gzip at all', 'PKG_NOT_GZIP', Buffer.from('PK\u0003\u0004 a zip file')],
  ['one byte', 'PKG_NOT_GZIP', Buffer.alloc(1)],
  ['gzip data that is damaged', 'PKG_NOT_GZIP', damaged()],
  ['gzip data that is cut off', 'PKG_TRUNCATED', gzipSync(rawTar([good])).subarray(0, -12)],
  [
    'a tar file that is cut off in a file',
    'PKG_TRUNCATED',
    gzipSync(rawTar([{ ...good, size: 5000 }], { end: false })),
  ],
  ['a tar file without an end', 'PKG_TRUNCATED', gzipSync(rawTar([good], { end: false }))],
  ['gzip data that is no tar file', 'PKG_NOT_TAR', gzipSync(Buffer.alloc(2048, 'a'))],
  [
    'gzip data within gzip data',
    'PKG_NOT_TAR',
    gzipSync(gzipSync(rawTar([good]), { level: 0 }).subarray(0, 512)),
  ],
  [
    'data after the end of the tar file',
    'PKG_NOT_TAR',
    gzipSync(Buffer.concat([rawTar([good]), Buffer.from('more')])),
  ],
];

function damaged(): Buffer {
  const bytes = gzipSync(rawTar([good]));
  bytes.fill(0xff, 12, 40);
  return bytes;
}

for (const [what, code, archive] of badBytes) {
  test(`an archive that is ${what} is refused with ${code}`, async (t) => {
    await refused(t, code, signedArchive(publisher, [good], { archive }));
  });
}

test('a bomb is refused while it inflates, before it fills memory or disk', async (t) => {
  const zeros = { path: 'zeros', content: Buffer.alloc(64 * 2 ** 20) };
  const limits = { ...defaultPackageLimits, ratio: 50 };
  await refused(t, 'PKG_BOMB', signedArchive(publisher, [zeros]), limits);
});

test('a file that claims a size beyond the limit is refused before it is read', async (t) => {
  const limits = { ...defaultPackageLimits, unpacked: 1000 };
  const archive = gzipSync(rawTar([{ ...good, size: 1_000_000 }], { end: false }));
  await refused(t, 'PKG_TOO_LARGE', signedArchive(publisher, [good], { archive }), limits);
});

test('files that are too large together are refused', async (t) => {
  const members = ['a', 'b', 'c'].map((path) => ({ path, content: Buffer.alloc(900) }));
  await refused(t, 'PKG_TOO_LARGE', signedArchive(publisher, members), {
    ...defaultPackageLimits,
    unpacked: 1000,
    files: 1,
  });
});

test('too many files are refused', async (t) => {
  const members = ['a', 'b', 'c'].map((path) => ({ path, content: 'x' }));
  await refused(t, 'PKG_TOO_MANY_FILES', signedArchive(publisher, members), {
    ...defaultPackageLimits,
    files: 2,
  });
});

test('an archive that is itself too large is refused unread', async (t) => {
  await refused(t, 'PKG_TOO_LARGE', signedArchive(publisher, [good]), {
    ...defaultPackageLimits,
    archive: 10,
  });
});

test('a good archive is unpacked read-only below its digest, folders and executables included', async (t) => {
  const cache = join(await temporaryFolder(t), 'cache');
  const members: RawMember[] = [
    { path: 'lib/', type: 'Directory' },
    { path: 'lib/a.txt', content: 'A' },
    good,
  ];
  const { archive, manifest } = signedArchive(publisher, members);
  const file = join(await temporaryFolder(t), 'package.tgz');
  await writeFile(file, archive);
  const unpacked = await unpackPackage(manifest, file, { cache, allowed });
  assert.equal(unpacked.folder, join(cache, manifest.content.digest.slice(7), 'package'));
  assert.equal(unpacked.cached, false);
  assert.equal(await readFile(join(unpacked.folder, 'lib/a.txt'), 'utf8'), 'A');
  assert.equal((await stat(join(unpacked.folder, 'train.sh'))).mode & 0o777, 0o444);
  assert.deepEqual(await readdir(cache), [manifest.content.digest.slice(7)]);
});

test('a cached package is used again, and replaced when somebody touched it', async (t) => {
  const cache = await temporaryFolder(t);
  const { archive, manifest } = signedArchive(publisher, [good]);
  const { folder } = await unpackPackage(manifest, archive, { cache, allowed });
  assert.equal((await unpackPackage(manifest, archive, { cache, allowed })).cached, true);

  await chmod(join(folder, 'train.sh'), 0o644);
  await writeFile(join(folder, 'train.sh'), 'echo hullo\n');
  assert.equal((await unpackPackage(manifest, archive, { cache, allowed })).cached, false);
  assert.equal(await readFile(join(folder, 'train.sh'), 'utf8'), good.content);

  await writeFile(join(folder, 'extra.mjs'), 'evil()');
  await unpackPackage(manifest, archive, { cache, allowed });
  assert.deepEqual(await readdir(folder), ['train.sh']);
});

test('many may unpack the same package at once', async (t) => {
  const cache = await temporaryFolder(t);
  const members = Array.from({ length: 50 }, (_, index) => ({ path: `f${index}`, content: `${index}` }));
  const { archive, manifest } = signedArchive(publisher, members);
  const all = await Promise.all(
    Array.from({ length: 8 }, () => unpackPackage(manifest, archive, { cache, allowed })),
  );
  assert.equal(new Set(all.map(({ folder }) => folder)).size, 1);
  assert.equal((await readdir(all[0]!.folder)).length, 50);
  assert.equal((await readdir(cache)).length, 1);
});

test('what a killed client left half unpacked is removed, packages stay', async (t) => {
  const cache = await temporaryFolder(t);
  const { archive, manifest } = signedArchive(publisher, [good]);
  await unpackPackage(manifest, archive, { cache, allowed });
  await writeFile(join(cache, '.unpack-0011'), '');
  await removeLeftovers(cache);
  assert.deepEqual(await readdir(cache), [manifest.content.digest.slice(7)]);
});
