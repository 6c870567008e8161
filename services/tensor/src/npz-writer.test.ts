import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bufferSource } from './bytes.js';
import { dtypes, elementSize } from './dtype.js';
import { npzLayout } from './npz-layout.js';
import { openNpz } from './npz-reader.js';
import { canonicalNpz, collect, type TensorInput, writeNpz } from './npz-writer.js';
import { elementCount } from './shape.js';
import { bytesOf, type Tensor, tensorFrom, typedData } from './tensor.js';
import type { ByteSource, DType } from './types.js';

const weights: Tensor[] = [
  tensorFrom('conv1/kernel', 'float32', [2, 3], [1, 2, 3, 4, 5, 6]),
  tensorFrom('größe', 'int64', [], [-7n]),
  tensorFrom('leer', 'float16', [0, 5], []),
  tensorFrom('bits', 'bool', [3], [true, false, true]),
  tensorFrom('brain', 'bfloat16', [2, 2], [1, 2, 3, 4]),
];

async function* slowly<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

/** The bytes of a tensor in pieces that cut through elements. */
function* pieces(tensor: Tensor, length: number): Generator<Uint8Array> {
  const bytes = bytesOf(tensor.data);
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length);
}

for (const forceZip64 of [false, true]) {
  const options = { forceZip64 };
  const title = forceZip64 ? ' (zip64 forced)' : '';

  test(`what is written is read back, whole, streamed and by slices${title}`, async () => {
    const reader = await openNpz(bufferSource(await collect(writeNpz(weights, options))));
    assert.deepEqual(
      reader.entries.map((entry) => entry.name),
      weights.map((tensor) => tensor.name),
    );
    for (const tensor of weights) {
      assert.deepEqual(await reader.read(tensor.name), tensor);
      assert.deepEqual(typedData(tensor.dtype, await collect(reader.stream(tensor.name))), tensor.data);
      const count = elementCount(tensor.shape);
      for (let start = 0; start <= count; start++) {
        assert.deepEqual(await reader.readSlice(tensor.name, start, count - start), tensor.data.slice(start));
      }
    }
  });

  test(`the layout foretells the size of the file and where every tensor is${title}`, async () => {
    for (let n = 0; n <= weights.length; n++) {
      const some = weights.slice(0, n);
      const bytes = await collect(writeNpz(some, options));
      const layout = npzLayout(some, options);
      assert.equal(layout.size, bytes.length);
      for (const [i, { name, dataOffset, byteLength, headerOffset }] of layout.entries.entries()) {
        assert.equal(name, some[i]?.name);
        assert.deepEqual(
          bytes.slice(dataOffset, dataOffset + byteLength),
          new Uint8Array(bytesOf(some[i]!.data)),
        );
        assert.deepEqual([...bytes.slice(headerOffset, headerOffset + 4)], [0x50, 0x4b, 3, 4]);
      }
      const reader = await openNpz(bufferSource(bytes));
      assert.deepEqual(
        reader.entries.map((entry) => entry.dataOffset),
        layout.entries.map((entry) => entry.dataOffset),
      );
    }
  });
}

test('the bytes are the same however the data are cut up, and for a canonical copy', async () => {
  const whole = await collect(writeNpz(weights));
  for (const length of [1, 3, 7, 1000]) {
    const cut: TensorInput[] = weights.map((tensor) => ({ ...tensor, data: pieces(tensor, length) }));
    assert.deepEqual(await collect(writeNpz(cut)), whole);
    const slow = weights.map((tensor) => ({ ...tensor, data: slowly(pieces(tensor, length)) }));
    assert.deepEqual(await collect(writeNpz(slowly(slow))), whole);
  }
  const raw = weights.map((tensor) => ({ ...tensor, data: bytesOf(tensor.data) }));
  assert.deepEqual(await collect(writeNpz(raw)), whole);
  const wide = await openNpz(bufferSource(await collect(writeNpz(weights, { forceZip64: true }))));
  assert.deepEqual(await collect(canonicalNpz(wide)), whole);
});

test('a tensor is asked for its data only when everything before it has been taken', async () => {
  const log: string[] = [];
  async function* source(name: string): AsyncGenerator<Uint8Array> {
    log.push(`data of ${name}`);
    yield new Uint8Array(4);
  }
  const input = (name: string): TensorInput => ({ name, dtype: 'float32', shape: [1], data: source(name) });
  const file = writeNpz([input('a'), input('b')]);
  await file.next();
  assert.deepEqual(log, []);
  await file.next();
  assert.deepEqual(log, ['data of a']);
  await file.next();
  await file.next();
  assert.deepEqual(log, ['data of a']);
  await file.next();
  assert.deepEqual(log, ['data of a', 'data of b']);
});

test('a tensor of 5 GiB is laid out with zip64, and its last elements are read by range', async () => {
  const count = (5 * 2 ** 30) / 4;
  const infos = [
    { name: 'big', dtype: 'float32', shape: [count] },
    { name: 'after', dtype: 'int8', shape: [3] },
  ] as const;
  const { size, entries } = npzLayout(infos);
  // Only headers and ends are kept; zeros stand for the data. The CRC is therefore not that of the data.
  const kept: { at: number; bytes: Uint8Array }[] = [];
  const zeros = new Uint8Array(2 ** 26);
  let at = 0;
  async function* data(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < (count * 4) / zeros.length; i++) yield zeros;
  }
  for await (const bytes of writeNpz([
    { ...infos[0], data: data() },
    { ...infos[1], data: Int8Array.of(1, 2, 3) },
  ])) {
    if (bytes.buffer !== zeros.buffer) kept.push({ at, bytes });
    at += bytes.length;
  }
  assert.equal(at, size);
  const sparse: ByteSource = {
    size,
    read(offset, length) {
      assert.ok(length <= 65_536);
      const out = new Uint8Array(length);
      for (const part of kept) {
        const from = Math.max(offset, part.at);
        const to = Math.min(offset + length, part.at + part.bytes.length);
        if (from < to) out.set(part.bytes.subarray(from - part.at, to - part.at), from - offset);
      }
      return Promise.resolve(out);
    },
  };
  const reader = await openNpz(sparse);
  assert.deepEqual(
    reader.entries.map((entry) => entry.dataOffset),
    entries.map((entry) => entry.dataOffset),
  );
  assert.ok(entries[1]!.dataOffset > 2 ** 32);
  assert.deepEqual(await reader.readSlice('big', count - 2, 2), new Float32Array(2));
  assert.deepEqual((await reader.read('after')).data, Int8Array.of(1, 2, 3));
  await assert.rejects(reader.read('big'), { code: 'NPZ_TENSOR_TOO_LARGE' });
});

test('66,000 tensors need zip64 end records and are read back', async () => {
  function* many(): Generator<TensorInput> {
    for (let i = 0; i < 66_000; i++)
      yield { name: `${i}`, dtype: 'uint8', shape: [], data: Uint8Array.of(i) };
  }
  const source = bufferSource(await collect(writeNpz(many())));
  await assert.rejects(openNpz(source), { code: 'NPZ_TOO_MANY_ENTRIES' });
  const reader = await openNpz(source, { maxEntries: 66_000 });
  assert.equal(reader.entries.length, 66_000);
  assert.deepEqual((await reader.read('65999')).data, Uint8Array.of(65_999));
});

const refusals: readonly (readonly [string, () => TensorInput[], string])[] = [
  ['too few bytes', () => [{ ...weights[0]!, data: new Uint8Array(23) }], 'NPZ_DATA_LENGTH'],
  [
    'too many bytes',
    () => [{ ...weights[0]!, data: [new Uint8Array(24), new Uint8Array(1)] }],
    'NPZ_DATA_LENGTH',
  ],
  ['a typed array of another dtype', () => [{ ...weights[0]!, data: new Int32Array(6) }], 'NPZ_DATA_TYPE'],
  ['a name twice', () => [weights[0]!, weights[0]!], 'NPZ_DUPLICATE_NAME'],
  [
    'names that NumPy mixes up',
    () => [weights[3]!, { ...weights[3]!, name: 'bits.npy' }],
    'NPZ_DUPLICATE_NAME',
  ],
  ['a NUL in a name', () => [{ ...weights[0]!, name: 'a\0b' }], 'NPZ_NAME'],
  ['half a surrogate pair', () => [{ ...weights[0]!, name: '\ud800' }], 'NPZ_NAME'],
  ['a name of 70,000 bytes', () => [{ ...weights[0]!, name: 'x'.repeat(70_000) }], 'NPZ_NAME_TOO_LONG'],
  ['a negative extent', () => [{ ...weights[0]!, shape: [-2, -3] }], 'NPZ_SHAPE'],
  ['an unknown dtype', () => [{ ...weights[0]!, dtype: 'float8' as DType }], 'NPZ_DTYPE'],
];

for (const [title, tensors, code] of refusals) {
  test(`the writer refuses ${title} with ${code}`, async () => {
    await assert.rejects(collect(writeNpz(tensors())), { code });
  });
}

test('an error of the data is passed on and ends the file', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(4);
    throw new Error('the store is away');
  }
  await assert.rejects(collect(writeNpz([{ ...weights[0]!, data: failing() }])), /the store is away/);
});

test('every dtype has its size in the file', async () => {
  for (const dtype of dtypes) {
    const data = new Uint8Array(3 * elementSize(dtype));
    const reader = await openNpz(
      bufferSource(await collect(writeNpz([{ name: 'x', dtype, shape: [3], data }]))),
    );
    assert.equal(reader.entries[0]?.byteLength, data.length);
    assert.equal(reader.entries[0]?.dtype, dtype);
  }
});
