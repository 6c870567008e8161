import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bufferSource } from './bytes.js';
import { descrOf, dtypes, elementSize } from './dtype.js';
import { encodeBfloat16, encodeFloat16 } from './half.js';
import { readNpy, writeNpy } from './npy.js';
import { type NpzReader, openNpz } from './npz-reader.js';
import { canonicalNpz, collect, writeNpz } from './npz-writer.js';
import { elementCount } from './shape.js';
import { bytesOf, type Tensor, typedData } from './tensor.js';
import { findNumPy, runPython } from './test-support/numpy.js';

const numpy = findNumPy();
const python = typeof numpy === 'string' ? '' : numpy.python;
const skip = typeof numpy === 'string' ? numpy : false;
const skipMl = typeof numpy === 'string' ? numpy : numpy.mlDtypes ? false : 'needs ml_dtypes beside NumPy';

const folder = mkdtempSync(join(tmpdir(), 'consilium-npz-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const shapes = [[], [0], [1], [7], [2, 3], [3, 1, 4], [2, 0, 3], [1, 5], [2, 3, 2, 2]] as const;

/** One array a kind: dtype x byte order x memory order x shape; prints key -> little-endian C-order bytes. */
const makeAll = `
import sys, json, io, zipfile, numpy as np
folder = sys.argv[1]
rng = np.random.default_rng(3)
shapes = json.loads(sys.argv[2])
arrays, expected = {}, {}
for letters in ['f2','f4','f8','i1','i2','i4','i8','u1','u2','u4','u8','b1']:
    for order in '<>':
        for memory in 'CF':
            for shape in shapes:
                n = int(np.prod(shape))
                raw = rng.integers(0, 2 if letters == 'b1' else 256, n * int(letters[1]), dtype='u1')
                a = raw.view('<' + letters).reshape(shape).astype(order + letters, order=memory)
                key = letters + '/' + order + memory + '/' + 'x'.join(map(str, shape))
                arrays[key] = np.asarray(a, order=memory)
                expected[key] = a.astype('<' + letters).tobytes('C').hex()
np.savez(folder + '/stored.npz', **arrays)
np.savez_compressed(folder + '/deflated.npz', **arrays)

class Pipe(io.RawIOBase):
    def __init__(self, path): self.file = open(path, 'wb')
    def writable(self): return True
    def seekable(self): return False
    def write(self, data): return self.file.write(data)
    def read(self, *a): raise OSError('a pipe')
for name, save in [('piped', np.savez), ('piped-deflated', np.savez_compressed)]:
    pipe = Pipe(folder + '/' + name + '.npz')
    save(pipe, **arrays)
    pipe.file.close()

# Sizes, offsets and counts in zip64 fields throughout, as if the file were huge.
zipfile.ZIP64_LIMIT = 0
zipfile.ZIP_FILECOUNT_LIMIT = 0
np.savez(folder + '/zip64.npz', **arrays)
print(json.dumps(expected))
`;

let made: Promise<Record<string, string>> | undefined;
const makeFiles = () => {
  made ??= runPython(python, makeAll, folder, JSON.stringify(shapes)) as Promise<Record<string, string>>;
  return made;
};

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

async function assertHolds(reader: NpzReader, expected: Record<string, string>): Promise<void> {
  assert.deepEqual(
    reader.entries.map((entry) => entry.name),
    Object.keys(expected),
  );
  for (const { name, dtype, shape } of reader.entries) {
    const tensor = await reader.read(name);
    assert.equal(hexOf(bytesOf(tensor.data)), expected[name], name);
    assert.equal(hexOf(await collect(reader.stream(name))), expected[name], name);
    const [letters, , extents] = name.split('/');
    assert.equal(descrOf(dtype).slice(1), letters);
    assert.equal(shape.join('x'), extents);
  }
}

for (const file of ['stored', 'deflated', 'piped', 'piped-deflated', 'zip64']) {
  test(`every dtype, byte order, memory order and shape that NumPy writes (${file}) is read`, {
    skip,
  }, async () => {
    const expected = await makeFiles();
    const bytes = readFileSync(join(folder, `${file}.npz`));
    // The file is of the kind that this test is about: data descriptors, a zip64 locator.
    assert.equal((bytes.readUInt16LE(6) & 8) !== 0, file.startsWith('piped'));
    assert.equal(bytes.readUInt32LE(bytes.length - 42) === 0x07064b50, file === 'zip64');
    // Short chunks, so that elements are cut and put together again.
    const reader = await openNpz(bufferSource(bytes), { chunkBytes: 67 });
    assert.equal(reader.entries.length, 12 * 2 * 2 * shapes.length);
    assert.ok(reader.entries.some((entry) => entry.fortranOrder && entry.byteOrder === 'big'));
    await assertHolds(reader, expected);
  });

  test(`the canonical form of NumPy's file (${file}) has the same content, and the same bytes for all`, {
    skip,
  }, async () => {
    const expected = await makeFiles();
    const canonical = async (name: string) =>
      collect(canonicalNpz(await openNpz(bufferSource(readFileSync(join(folder, `${name}.npz`))))));
    const bytes = await canonical(file);
    const reader = await openNpz(bufferSource(bytes));
    for (const entry of reader.entries) {
      assert.ok(reader.canSlice(entry.name));
      assert.ok(!entry.fortranOrder);
    }
    await assertHolds(reader, expected);
    assert.ok(Buffer.from(bytes).equals(await canonical('stored')));
  });
}

test("FEDn's form is read: numbered keys, deflated, zip64 forced in the local headers", {
  skip,
}, async () => {
  const path = join(folder, 'fedn.npz');
  const script = `
import sys, json, numpy as np
weights = [np.arange(12, dtype='f4').reshape(3, 4), np.ones(3, 'f8'), np.array(5, 'i8')]
np.savez_compressed(sys.argv[1], **{str(i): w for i, w in enumerate(weights)})
print(json.dumps([w.tobytes().hex() for w in weights]))`;
  const expected = (await runPython(python, script, path)) as string[];
  const bytes = readFileSync(path);
  assert.equal(bytes.readUInt16LE(8), 8);
  // The zip64 field (id 1, 16 bytes) is there in the first local header. Python before 3.11.4 left the version at 20
  // and the short sizes in place; both forms must be read.
  const extra = 30 + bytes.readUInt16LE(26);
  assert.equal(bytes.readUInt16LE(28), 20);
  assert.equal(bytes.readUInt16LE(extra), 1);
  assert.equal(bytes.readUInt16LE(extra + 2), 16);
  const reader = await openNpz(bufferSource(bytes));
  assert.deepEqual(
    reader.entries.map((entry) => entry.name),
    ['0', '1', '2'],
  );
  for (const [i, hex] of expected.entries())
    assert.equal(hexOf(bytesOf((await reader.read(`${i}`)).data)), hex);
});

/** Raw bytes that differ from element to element; every dtype accepts any, save bool. */
function sample(dtype: Tensor['dtype'], shape: readonly number[], name: string): Tensor {
  const bytes = new Uint8Array(elementCount(shape) * elementSize(dtype));
  for (let i = 0; i < bytes.length; i++) bytes[i] = dtype === 'bool' ? i % 2 : (i * 37 + 11) & 0xff;
  return { name, dtype, shape, data: typedData(dtype, bytes) } as Tensor;
}

for (const forceZip64 of [false, true]) {
  test(`NumPy reads what we write${forceZip64 ? ', with zip64 forced' : ''}, and Python finds every CRC right`, {
    skip,
  }, async () => {
    const tensors = dtypes.flatMap((dtype) =>
      shapes.map((shape) => sample(dtype, shape, `größe/${dtype}/${shape.join('x')}`)),
    );
    const path = join(folder, `ours-${forceZip64}.npz`);
    writeFileSync(path, await collect(writeNpz(tensors, { forceZip64 })));
    const script = `
import sys, json, zipfile, numpy as np
assert zipfile.ZipFile(sys.argv[1]).testzip() is None
f = np.load(sys.argv[1])
print(json.dumps([[k, f[k].dtype.str, list(f[k].shape), f[k].tobytes().hex()] for k in f.files]))`;
    const expected = tensors.map((tensor) => [
      tensor.name,
      descrOf(tensor.dtype),
      tensor.shape,
      hexOf(bytesOf(tensor.data)),
    ]);
    assert.deepEqual(await runPython(python, script, path), expected);
  });
}

test('an npy file of ours has the bytes of numpy.save, and is read back', { skip }, async () => {
  const script = `
import sys, io, json, numpy as np
out = {}
for letters in ['f2','f4','f8','i1','i2','i4','i8','u1','u2','u4','u8','b1']:
    for shape in json.loads(sys.argv[1]):
        b = io.BytesIO()
        np.save(b, np.zeros(shape, '<' + letters))
        out[letters + ' ' + json.dumps(shape)] = b.getvalue().hex()
print(json.dumps(out))`;
  const theirs = (await runPython(python, script, JSON.stringify(shapes))) as Record<string, string>;
  for (const dtype of dtypes.filter((name) => name !== 'bfloat16')) {
    for (const shape of shapes) {
      const expected = theirs[`${descrOf(dtype).slice(1)} [${shape.join(', ')}]`];
      const zeros = new Uint8Array(elementCount(shape) * elementSize(dtype));
      const tensor = { name: '', dtype, shape, data: typedData(dtype, zeros) } as Tensor;
      assert.equal(hexOf(writeNpy(tensor)), expected);
      assert.deepEqual(readNpy(Buffer.from(expected!, 'hex')), tensor);
    }
  }
});

test('npy formats 2.0 and 3.0 that NumPy writes are read', { skip }, async () => {
  const script = `
import io, json, numpy as np
out = []
for version in [(1, 0), (2, 0), (3, 0)]:
    b = io.BytesIO()
    np.lib.format.write_array(b, np.arange(4, dtype='>u2'), version=version)
    out.append(b.getvalue().hex())
print(json.dumps(out))`;
  for (const hex of (await runPython(python, script)) as string[]) {
    assert.deepEqual(readNpy(Buffer.from(hex, 'hex')).data, Uint16Array.of(0, 1, 2, 3));
  }
});

test('bfloat16 goes both ways through ml_dtypes', { skip: skipMl }, async () => {
  const script = `
import sys, json, numpy as np, ml_dtypes
a = np.array([1.0, -2.5, 3.14159, float('inf')], dtype=ml_dtypes.bfloat16)
np.savez(sys.argv[1], w=a)
back = np.load(sys.argv[2])['w'].view(ml_dtypes.bfloat16)
print(json.dumps([a.view('u2').tolist(), back.astype('f8').tolist()]))`;
  const [theirs, ours] = [join(folder, 'ml.npz'), join(folder, 'ours-ml.npz')];
  const bits = encodeBfloat16([0.5, -96]);
  writeFileSync(ours, await collect(writeNpz([{ name: 'w', dtype: 'bfloat16', shape: [2], data: bits }])));
  const [expected, back] = (await runPython(python, script, theirs, ours)) as [number[], number[]];
  const tensor = await (await openNpz(bufferSource(readFileSync(theirs)))).read('w');
  assert.equal(tensor.dtype, 'bfloat16');
  assert.deepEqual([...(tensor.data as Uint16Array)], expected);
  assert.deepEqual(back, [0.5, -96]);
});

test('float16 and bfloat16 are rounded as NumPy and ml_dtypes round float32', { skip: skipMl }, async () => {
  const script = `
import sys, numpy as np, ml_dtypes, warnings
warnings.simplefilter('ignore')
bits = np.random.default_rng(5).integers(0, 2**32, 200000, dtype='u4')
bits = np.concatenate([bits, (bits & 0x87ffffff) | 0x38000000, (bits & 0x81ffffff) | 0x32000000, bits & 0xffff8000])
f = bits.view('f4'); f = f[~np.isnan(f)]
f.tofile(sys.argv[1]); f.astype('f2').tofile(sys.argv[2]); f.astype(ml_dtypes.bfloat16).tofile(sys.argv[3])
print('null')`;
  const paths = ['f4', 'f2', 'bf2'].map((name) => join(folder, name));
  await runPython(python, script, ...paths);
  const [values, half, brain] = paths.map((path) => new Uint8Array(readFileSync(path)));
  const floats = typedData('float32', values!);
  assert.ok(floats.length > 700_000);
  assert.ok(Buffer.from(bytesOf(encodeFloat16(floats))).equals(half!));
  assert.ok(Buffer.from(bytesOf(encodeBfloat16(floats))).equals(brain!));
});
