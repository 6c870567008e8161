import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { ConsiliumError, type ErrorCode } from '@consilium/protocol/errors';
import { bufferSource } from './bytes.js';
import type { NpzLimits } from './npz-limits.js';
import { openNpz } from './npz-reader.js';
import {
  buildZip,
  type Fixture,
  type FixtureEntry,
  halves,
  npyArray,
  npyBytes,
  patched,
  words,
} from './test-support/zip-fixture.js';

const floats = npyArray('<f4', '(2, 3)', new Uint8Array(24).fill(0x3f));
const longs = npyArray('<i8', '(64,)', new Uint8Array(512).fill(7));
const good: readonly FixtureEntry[] = [
  { name: 'a.npy', content: floats },
  { name: 'b.npy', content: longs, deflate: true },
  { name: 'c.npy', content: floats, descriptor: true },
  { name: 'd.npy', content: longs, deflate: true, descriptor: true },
];
const zip = buildZip(good);
const [A, B, C, D] = [0, 1, 2, 3] as const;

/** The same file with bytes replaced in a header of one entry. */
const local = (entry: number, at: number, bytes: Uint8Array) =>
  patched(zip.bytes, zip.local[entry]! + at, bytes);
const central = (entry: number, at: number, bytes: Uint8Array) =>
  patched(zip.bytes, zip.central[entry]! + at, bytes);
const both = (entry: number, localAt: number, centralAt: number, bytes: Uint8Array) =>
  patched(local(entry, localAt, bytes), zip.central[entry]! + centralAt, bytes);
const end = (at: number, bytes: Uint8Array) => patched(zip.bytes, zip.end + at, bytes);
const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const one = (entry: Partial<FixtureEntry>): Uint8Array =>
  buildZip([{ name: 'a.npy', content: floats, ...entry }]).bytes;
const pair = (first: string, second: string) =>
  buildZip([
    { name: first, content: floats },
    { name: second, content: floats },
  ]).bytes;
const field = (id: number, body: Uint8Array) => joined(halves(id, body.length), body);

/** Inserts zip64 end records before the end record. */
function wide(
  edit: (record: Uint8Array, locator: Uint8Array) => void = () => undefined,
  base: Fixture = zip,
) {
  const size = base.end - base.directory;
  const counts = words(base.central.length, 0, base.central.length, 0, size, 0, base.directory, 0);
  const record = joined(words(0x06064b50, 44, 0), halves(45, 45), words(0, 0), counts);
  const locator = joined(words(0x07064b50, 0, base.end, 0, 1));
  edit(record, locator);
  return joined(base.bytes.subarray(0, base.end), record, locator, base.bytes.subarray(base.end));
}

/** A deflated entry whose stream is replaced by other bytes of any length; header sizes follow. */
function stream(deflated: Uint8Array, declared = longs.length): Uint8Array {
  const entry = buildZip([{ name: 'b.npy', content: longs, deflate: true }]);
  const sizes = words(deflated.length, declared);
  const head = patched(entry.bytes.subarray(0, entry.content[0]), 18, sizes);
  const directory = patched(entry.bytes.subarray(entry.directory, entry.end), 20, sizes);
  const last = patched(entry.bytes.subarray(entry.end), 16, words(head.length + deflated.length));
  return joined(head, deflated, directory, last);
}

const intact = deflateRawSync(longs);
const comment = (text: Uint8Array) => joined(end(20, halves(text.length)), text);
const inner = zip.bytes.subarray(zip.end);

type Damage = readonly [what: string, code: ErrorCode, bytes: Uint8Array, limits?: Partial<NpzLimits>];
const damages: readonly Damage[] = [
  ['an empty file', 'NPZ_NOT_ZIP', new Uint8Array(0)],
  ['a few bytes', 'NPZ_NOT_ZIP', zip.bytes.subarray(0, 21)],
  ['an npy file', 'NPZ_NOT_ZIP', floats],
  ['text', 'NPZ_NOT_ZIP', new Uint8Array(Buffer.from('<html>'.repeat(50)))],
  ['a file cut off within its data', 'NPZ_TRUNCATED', zip.bytes.subarray(0, zip.content[1]!)],
  ['a file cut off within its end record', 'NPZ_TRUNCATED', zip.bytes.subarray(0, -23)],
  ['a last byte missing', 'NPZ_TRAILING_BYTES', comment(halves(1, 2)).subarray(0, -1)],
  ['bytes after the end', 'NPZ_TRAILING_BYTES', joined(zip.bytes, Uint8Array.of(0))],
  [
    'an end record in the comment of another',
    'NPZ_END_AMBIGUOUS',
    comment(joined(patched(inner, 20, halves(2)), halves(9))),
  ],
  ['an archive on two disks', 'NPZ_MULTI_DISK', end(4, halves(1))],
  ['fewer entries on this disk', 'NPZ_MULTI_DISK', end(8, halves(3))],
  ['an entry on another disk', 'NPZ_MULTI_DISK', central(A, 34, halves(1))],
  ['a zip64 locator of two disks', 'NPZ_MULTI_DISK', wide((_, locator) => locator.set(words(2), 16))],
  ['a zip64 record of two disks', 'NPZ_MULTI_DISK', wide((record) => record.set(words(1), 16))],
  ['a zip64 locator that points elsewhere', 'NPZ_ZIP64', wide((_, locator) => locator.set(words(5), 8))],
  ['a zip64 record without signature', 'NPZ_ZIP64', wide((record) => record.set(words(0), 0))],
  ['a zip64 record of a wrong length', 'NPZ_ZIP64', wide((record) => record.set(words(45), 4))],
  ['zip64 and short counts that differ', 'NPZ_ZIP64', wide((record) => record.set(words(5, 0, 5), 24))],
  [
    'a zip64 field that is too short',
    'NPZ_ZIP64',
    patched(
      one({ centralExtra: field(1, new Uint8Array(4)) }),
      buildZip([{ name: 'a.npy', content: floats }]).directory + 20,
      words(0xffffffff),
    ),
  ],
  ['bytes before the first entry', 'NPZ_DIRECTORY', joined(Uint8Array.of(1, 2, 3), zip.bytes)],
  ['a directory offset that lies', 'NPZ_DIRECTORY', end(16, words(zip.directory + 1))],
  ['a directory size that lies', 'NPZ_DIRECTORY', end(12, words(7))],
  ['fewer entries than the directory holds', 'NPZ_DIRECTORY', end(8, halves(3, 3))],
  ['more entries than the directory holds', 'NPZ_DIRECTORY', end(8, halves(5, 5))],
  ['a central header without signature', 'NPZ_DIRECTORY', central(B, 0, words(0))],
  ['a name that reaches out of the directory', 'NPZ_DIRECTORY', central(D, 28, halves(900))],
  ['a header offset outside the file', 'NPZ_OUTSIDE_FILE', central(B, 42, words(0x7fffffff))],
  ['a size outside the file', 'NPZ_OUTSIDE_FILE', both(A, 18, 20, words(99_999, 99_999))],
  [
    'an entry that reaches into the next',
    'NPZ_OVERLAP',
    both(A, 18, 20, words(floats.length + 9, floats.length + 9)),
  ],
  ['two entries on one header', 'NPZ_OVERLAP', central(B, 42, words(0))],
  ['two entries on the header of the second', 'NPZ_OVERLAP', central(A, 42, words(zip.local[B]!))],
  ['local extra bytes that push the data into the next entry', 'NPZ_OVERLAP', local(A, 28, halves(8))],
  ['a name twice', 'NPZ_DUPLICATE_NAME', pair('a.npy', 'a.npy')],
  ['names that NumPy mixes up', 'NPZ_DUPLICATE_NAME', pair('a.npy', 'a.npy.npy')],
  ['an entry that is no npy', 'NPZ_NAME', one({ name: 'readme.txt' })],
  ['a folder', 'NPZ_NAME', one({ name: 'folder/' })],
  ['a NUL in a name', 'NPZ_NAME', one({ name: 'a\0.npy' })],
  ['a name in an unknown encoding', 'NPZ_NAME', central(A, 46, Uint8Array.of(0xe4))],
  [
    'a name of broken UTF-8',
    'NPZ_NAME',
    patched(central(A, 46, Uint8Array.of(0xe4)), zip.central[A]! + 8, halves(0x800)),
  ],
  ['an encrypted entry', 'NPZ_ENCRYPTED', both(A, 6, 8, halves(1))],
  ['a strongly encrypted entry', 'NPZ_ENCRYPTED', both(A, 6, 8, halves(0x41))],
  ['masked headers', 'NPZ_ENCRYPTED', both(A, 6, 8, halves(0x2000))],
  ['patch data', 'NPZ_FLAGS', both(A, 6, 8, halves(0x20))],
  ['an unknown method', 'NPZ_METHOD', both(A, 8, 10, halves(12))],
  [
    'an extra field that is too long',
    'NPZ_EXTRA_FIELD',
    one({ centralExtra: joined(halves(9, 9), words(0)) }),
  ],
  ['left-over extra bytes', 'NPZ_EXTRA_FIELD', one({ localExtra: Uint8Array.of(1, 2) })],
  [
    'an extra field twice',
    'NPZ_EXTRA_FIELD',
    one({ centralExtra: joined(field(9, words(0)), field(9, words(0))) }),
  ],
  ['a second name in an extra field', 'NPZ_EXTRA_FIELD', one({ centralExtra: field(0x7075, words(1)) })],
  ['two sizes of a stored entry', 'NPZ_STORED_SIZE', central(A, 24, words(1))],
  ['an offset to no local header', 'NPZ_LOCAL_MISSING', local(B, 0, words(0))],
  ['another name in the local header', 'NPZ_LOCAL_NAME', local(A, 30, new Uint8Array(Buffer.from('x')))],
  ['a shorter name in the local header', 'NPZ_LOCAL_NAME', local(A, 26, halves(4))],
  ['another method in the local header', 'NPZ_LOCAL_METHOD', local(A, 8, halves(8))],
  ['other flags in the local header', 'NPZ_LOCAL_FLAGS', local(A, 6, halves(8))],
  ['another size in the local header', 'NPZ_LOCAL_SIZE', local(A, 22, words(1))],
  ['another compressed size in the local header', 'NPZ_LOCAL_SIZE', local(B, 18, words(1))],
  ['zeros for sizes without a descriptor', 'NPZ_LOCAL_SIZE', local(A, 18, words(0, 0))],
  ['another CRC in the local header', 'NPZ_LOCAL_CRC', local(A, 14, words(1))],
  ['a wrong size beside a descriptor', 'NPZ_LOCAL_SIZE', local(C, 22, words(5))],
  ['a descriptor with another CRC', 'NPZ_DESCRIPTOR', patched(zip.bytes, zip.contentEnd[C]! + 4, words(1))],
  ['a descriptor with another size', 'NPZ_DESCRIPTOR', patched(zip.bytes, zip.contentEnd[D]! + 12, words(1))],
  ['a descriptor that is not there', 'NPZ_DESCRIPTOR', both(A, 6, 8, halves(8))],
  [
    'a flipped bit in stored data',
    'NPZ_CRC',
    patched(zip.bytes, zip.contentEnd[A]! - 1, Uint8Array.of(0x3e)),
  ],
  ['a wrong CRC in all headers', 'NPZ_CRC', both(B, 14, 16, words(1))],
  ['deflated data that are none', 'NPZ_DEFLATE', stream(new Uint8Array(60).fill(0xff))],
  ['deflated data cut off', 'NPZ_DEFLATE', stream(intact.subarray(0, -3))],
  ['bytes after the deflated data', 'NPZ_DEFLATE', stream(joined(intact, words(0)))],
  ['more inflated bytes than declared', 'NPZ_DEFLATE_SIZE', stream(deflateRawSync(joined(longs, words(0))))],
  ['fewer inflated bytes than declared', 'NPZ_DEFLATE_SIZE', stream(deflateRawSync(longs.subarray(0, -1)))],
  [
    'a bomb of 64 MiB that declares 600 bytes',
    'NPZ_DEFLATE_SIZE',
    stream(deflateRawSync(joined(longs, new Uint8Array(2 ** 26)))),
  ],
  ['a claim beyond what deflate can do', 'NPZ_DEFLATE_RATIO', stream(intact, 2 ** 31)],
  [
    'a ratio beyond the limit',
    'NPZ_DEFLATE_RATIO',
    stream(deflateRawSync(new Uint8Array(9000)), 9000),
    { maxDeflateRatio: 10 },
  ],
  ['too many entries', 'NPZ_TOO_MANY_ENTRIES', zip.bytes, { maxEntries: 3 }],
  ['a directory beyond the limit', 'NPZ_DIRECTORY_TOO_LARGE', zip.bytes, { maxDirectoryBytes: 100 }],
  ['a name beyond the limit', 'NPZ_NAME_TOO_LONG', zip.bytes, { maxNameBytes: 4 }],
  ['a total beyond the limit', 'NPZ_TOTAL_TOO_LARGE', zip.bytes, { maxTotalBytes: 700 }],
  ['a tensor beyond the limit', 'NPZ_TENSOR_TOO_LARGE', zip.bytes, { maxTensorBytes: 100 }],
  ['an npy header beyond the limit', 'NPZ_NPY_HEADER_TOO_LARGE', zip.bytes, { maxHeaderBytes: 40 }],
  [
    'an npy header that claims 4 GiB',
    'NPZ_NPY_HEADER_TOO_LARGE',
    one({ content: patched(npyBytes('{}', floats, 2), 8, words(0xffffffff)) }),
  ],
  ['an npy header beyond its entry', 'NPZ_NPY_TRUNCATED', one({ content: patched(floats, 8, halves(9000)) })],
  ['an empty entry', 'NPZ_NPY_TRUNCATED', one({ content: new Uint8Array(0) })],
  ['an entry that is no array', 'NPZ_NPY_MAGIC', one({ content: new Uint8Array(100) })],
  [
    'an npy version from the future',
    'NPZ_NPY_VERSION',
    one({ content: patched(floats, 6, Uint8Array.of(9)) }),
  ],
  [
    'an npy header that is code',
    'NPZ_NPY_HEADER',
    one({ content: npyBytes("__import__('os').abort()", floats) }),
  ],
  ['pickled objects', 'NPZ_OBJECT_DTYPE', one({ content: npyArray('|O', '(3,)', floats) })],
  ['complex numbers', 'NPZ_DTYPE', one({ content: npyArray('<c16', '(3,)', floats) })],
  [
    'a shape larger than its data',
    'NPZ_SIZE_MISMATCH',
    one({ content: npyArray('<f4', '(3, 3)', new Uint8Array(24)) }),
  ],
  [
    'a shape smaller than its data',
    'NPZ_SIZE_MISMATCH',
    one({ content: npyArray('<f4', '(5,)', new Uint8Array(24)) }),
  ],
  [
    'a shape beyond all bounds',
    'NPZ_SHAPE',
    one({ content: npyArray('<f4', '(4294967296, 4294967296)', floats) }),
  ],
];

async function readAll(bytes: Uint8Array, limits: Partial<NpzLimits> = {}): Promise<void> {
  const reader = await openNpz(bufferSource(bytes), limits);
  for (const { name } of reader.entries) await reader.read(name);
}

test('the undamaged file, one with a comment and one with zip64 end records are read', async () => {
  await readAll(zip.bytes);
  await readAll(comment(new Uint8Array(Buffer.from('a comment'))));
  await readAll(wide());
  await readAll(
    one({ localExtra: field(9, words(0)), centralExtra: field(8, words(0)), comment: 'of an entry' }),
  );
  await readAll(buildZip([]).bytes);
});

test('a data descriptor may lack its signature and may have sizes of eight bytes', async () => {
  const file = buildZip([{ name: 'a.npy', content: longs, deflate: true, descriptor: true }]);
  const at = file.contentEnd[0]!;
  const [crc, packed, size] = new Uint32Array(file.bytes.slice(at + 4, at + 16).buffer);
  const signature = words(0x08074b50);
  for (const descriptor of [
    words(crc!, packed!, size!),
    words(crc!, packed!, 0, size!, 0),
    joined(signature, words(crc!, packed!, 0, size!, 0)),
  ]) {
    const last = patched(file.bytes.subarray(file.end), 16, words(at + descriptor.length));
    await readAll(
      joined(file.bytes.subarray(0, at), descriptor, file.bytes.subarray(file.directory, file.end), last),
    );
  }
});

test('an entry that only the data remain of, not the directory, is not seen', async () => {
  const shorter = joined(
    zip.bytes.subarray(0, zip.central[B]),
    zip.bytes.subarray(zip.central[C], zip.end),
    patched(
      inner,
      8,
      joined(halves(3, 3), words(zip.end - zip.directory - (zip.central[C]! - zip.central[B]!))),
    ),
  );
  const reader = await openNpz(bufferSource(shorter));
  assert.deepEqual(
    reader.entries.map((entry) => entry.name),
    ['a', 'c', 'd'],
  );
  await readAll(shorter);
});

for (const [what, code, bytes, limits] of damages) {
  test(`${what}: ${code}`, async () => {
    await assert.rejects(readAll(bytes, limits), (error) => {
      assert.ok(error instanceof ConsiliumError, String(error));
      assert.equal(error.code, code, error.message);
      assert.ok(error.where && error.fix && error.detail);
      return true;
    });
  });
}

test('a Fortran-order tensor beyond the limit is not streamed either', async () => {
  const text = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";
  const reader = await openNpz(bufferSource(one({ content: npyBytes(text, new Uint8Array(24)) })), {
    maxTensorBytes: 20,
  });
  await assert.rejects(reader.stream('a').next(), { code: 'NPZ_TENSOR_TOO_LARGE' });
});

test('slices out of range, of unknown tensors and of deflated or Fortran-order ones are refused', async () => {
  const text = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";
  const file = buildZip([...good, { name: 'f.npy', content: npyBytes(text, new Uint8Array(24)) }]);
  const reader = await openNpz(bufferSource(file.bytes));
  for (const [start, count] of [
    [0, 7],
    [6, 1],
    [-1, 1],
    [0, -1],
    [0.5, 1],
    [0, Number.NaN],
  ] as const) {
    await assert.rejects(reader.readSlice('a', start, count), { code: 'NPZ_SLICE_RANGE' });
  }
  await assert.rejects(reader.readSlice('x', 0, 1), { code: 'NPZ_NO_ENTRY' });
  await assert.rejects(reader.read('x'), { code: 'NPZ_NO_ENTRY' });
  await assert.rejects(reader.readSlice('b', 0, 1), { code: 'NPZ_SLICE_UNSUPPORTED' });
  await assert.rejects(reader.readSlice('f', 0, 1), { code: 'NPZ_SLICE_UNSUPPORTED' });
  assert.deepEqual(
    reader.entries.map((entry) => reader.canSlice(entry.name)),
    [true, false, true, false, false],
  );
});

test('a source that gives too few bytes is said to be at fault', async () => {
  const short = { size: zip.bytes.length, read: () => Promise.resolve(new Uint8Array(3)) };
  await assert.rejects(openNpz(short), { code: 'NPZ_SOURCE' });
});

test('what a source throws is passed on as it is', async () => {
  const away = new Error('the store is away');
  const source = bufferSource(zip.bytes);
  const reader = await openNpz(source);
  source.read = () => Promise.reject(away);
  await assert.rejects(openNpz(source), away);
  for (const name of ['a', 'b']) await assert.rejects(reader.read(name), away);
});
