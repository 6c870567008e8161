import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsiliumError } from '@consilium/protocol/errors';
import { bufferSource } from './bytes.js';
import { openNpz } from './npz-reader.js';
import { collect, writeNpz } from './npz-writer.js';
import { bytesOf, tensorFrom } from './tensor.js';
import { buildZip, npyArray } from './test-support/zip-fixture.js';
import type { ByteSource } from './types.js';

/** xorshift32: the same mutations in every run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const counted = new Uint8Array(800).map((_, i) => i % 11);
const files: Record<string, () => Promise<Uint8Array> | Uint8Array> = {
  'stored and deflated entries with and without descriptors': () =>
    buildZip([
      { name: 'a.npy', content: npyArray('<f4', '(2, 3)', new Uint8Array(24).fill(1)) },
      { name: 'b.npy', content: npyArray('>i8', '(100,)', counted), deflate: true },
      { name: 'c.npy', content: npyArray('|u1', '(10, 80)', counted), deflate: true, descriptor: true },
    ]).bytes,
  'our own form with zip64': () =>
    collect(
      writeNpz([tensorFrom('w', 'float32', [3], [1, 2, 3]), tensorFrom('n', 'int64', [], [5n])], {
        forceZip64: true,
      }),
    ),
};

/** Refuses absurd reads, which stand for absurd allocations. */
function bounded(bytes: Uint8Array): ByteSource {
  const source = bufferSource(bytes);
  return {
    size: source.size,
    read(offset, length) {
      assert.ok(length <= 65_557, `a read of ${length} bytes`);
      return source.read(offset, length);
    },
  };
}

async function contents(bytes: Uint8Array): Promise<Map<string, string>> {
  const reader = await openNpz(bounded(bytes), { maxTensorBytes: 2 ** 20 });
  const result = new Map<string, string>();
  for (const { name, byteLength } of reader.entries) {
    assert.ok(byteLength <= 1040 * bytes.length + 1024);
    result.set(name, Buffer.from(bytesOf((await reader.read(name)).data)).toString('hex'));
  }
  return result;
}

for (const [title, make] of Object.entries(files)) {
  test(`3,000 damaged copies of ${title} give an NPZ_ error or bytes that the CRC vouches for`, async () => {
    const original = await make();
    const expected = [...(await contents(original)).values()];
    const random = randomFrom(20261122);
    const codes = new Set<string>();
    let read = 0;
    for (let i = 0; i < 3000; i++) {
      let bytes = new Uint8Array(original);
      const kind = random(8);
      if (kind === 0) bytes = bytes.slice(0, random(bytes.length));
      else if (kind === 1) bytes.copyWithin(random(bytes.length), random(bytes.length), random(bytes.length));
      else for (let n = 1 + random(3); n > 0; n--) bytes[random(bytes.length)] = random(256);
      try {
        for (const hex of (await contents(bytes)).values()) {
          // A new name, dtype, shape or order leaves the elements, perhaps turned round; a changed element does not
          // pass, nor does a changed npy header, which the CRC covers too.
          assert.ok(expected.includes(hex), `mutation ${i} changed elements without an error`);
        }
        read++;
      } catch (error) {
        if (!(error instanceof ConsiliumError)) throw error;
        assert.match(error.code, /^NPZ_/, error.message);
        codes.add(error.code);
      }
    }
    assert.ok(read > 0, 'some mutations hit nothing that matters');
    assert.ok(codes.size >= 15, `only ${[...codes].join(', ')} were seen`);
  });
}
