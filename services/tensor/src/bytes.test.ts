import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bufferSource, elementChunks, readChunks } from './bytes.js';
import { openNpz } from './npz-reader.js';
import { collect, writeNpz } from './npz-writer.js';
import type { ByteSource, StreamableSource } from './types.js';

const bytes = new Uint8Array(1000).map((_, i) => i % 251);

test('a buffer gives copies of exactly what is asked for', async () => {
  const source = bufferSource(bytes);
  const part = await source.read(10, 20);
  assert.deepEqual(part, bytes.slice(10, 30));
  part.fill(0);
  assert.equal(bytes[10], 10);
  assert.deepEqual(await collect(source.stream(990)), bytes.slice(990));
  assert.deepEqual(await collect(source.stream(5, 7)), bytes.slice(5, 12));
  for (const [offset, length] of [
    [990, 11],
    [-1, 2],
    [0.5, 1],
    [0, Number.NaN],
  ] as const) {
    await assert.rejects(source.read(offset, length), { code: 'NPZ_SOURCE' });
  }
});

test('a range is read in chunks, with one read ahead and no more', async () => {
  let begun = 0;
  const inner = bufferSource(bytes);
  const source: ByteSource = {
    size: bytes.length,
    read(offset, length) {
      begun++;
      return inner.read(offset, length);
    },
  };
  let taken = 0;
  const parts: Uint8Array[] = [];
  for await (const chunk of readChunks(source, 100, 750, 100)) {
    taken++;
    assert.ok(begun <= taken + 1);
    parts.push(chunk);
  }
  assert.deepEqual(new Uint8Array(Buffer.concat(parts)), bytes.slice(100, 850));
  assert.equal(begun, 8);
});

test('a read ahead that fails after the consumer has left disturbs nobody', async () => {
  const source: ByteSource = {
    size: 1000,
    read: (offset) =>
      offset === 0 ? Promise.resolve(new Uint8Array(100)) : Promise.reject(new Error('gone')),
  };
  for await (const chunk of readChunks(source, 0, 1000, 100)) {
    assert.equal(chunk.length, 100);
    break;
  }
  // An unhandled rejection would fail the run.
  await new Promise((resolve) => setImmediate(resolve));
});

for (const size of [1, 2, 4, 8]) {
  test(`chunks cut anywhere become whole, aligned elements of ${size} bytes`, async () => {
    for (const step of [1, 3, 5, 8, 64]) {
      async function* cut(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < 960 + 13; at += step) yield bytes.slice(at, Math.min(at + step, 973));
      }
      const parts: Uint8Array[] = [];
      for await (const chunk of elementChunks(cut(), 13, size)) {
        assert.equal(chunk.length % size, 0);
        assert.equal(chunk.byteOffset % size, 0);
        assert.ok(chunk.length > 0);
        parts.push(chunk);
      }
      assert.deepEqual(new Uint8Array(Buffer.concat(parts)), bytes.slice(13, 973));
    }
  });
}

test('a large tensor is read by the stream of its source, which is closed where the tensor ends', async () => {
  const count = 20 * 2 ** 20;
  const data = new Uint8Array(count).map((_, i) => (i * 31) >>> 3);
  const file = await collect(
    writeNpz([
      { name: 'big', dtype: 'uint8', shape: [count], data },
      { name: 'after', dtype: 'uint8', shape: [count], data },
    ]),
  );
  const inner = bufferSource(file);
  let longest = 0;
  let closed = 0;
  const source: StreamableSource = {
    size: file.length,
    read(offset, length) {
      longest = Math.max(longest, length);
      return inner.read(offset, length);
    },
    // Goes on to the end of the file whatever length is asked for, as a plain GET would.
    async *stream(offset) {
      try {
        yield* inner.stream(offset);
      } finally {
        closed++;
      }
    },
  };
  const reader = await openNpz(source);
  assert.ok(Buffer.from(await collect(reader.stream('big'))).equals(data));
  assert.ok(longest <= 65_536);
  assert.equal(closed, 1);
  async function* cutOff(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(100);
  }
  source.stream = cutOff;
  await assert.rejects(collect(reader.stream('big')), { code: 'NPZ_SOURCE' });
});
