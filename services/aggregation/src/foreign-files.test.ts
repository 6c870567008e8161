import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import type { ByteSource } from '@consilium/tensor';
import { bufferSource, collect, tensorFrom } from '@consilium/tensor';
import { modelInfos, partialSum, weightedMean } from './mean.js';
import { hexOf, sourceOf } from './testing/models.js';

interface Entry {
  readonly name: string;
  readonly npy: Uint8Array;
}

/** A deflated zip as NumPy's savez_compressed makes it, byte for byte by hand; `damaged` is the index of an entry with a wrong CRC. */
function deflated(entries: readonly Entry[], damaged = -1): ByteSource {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [i, { name, npy }] of entries.entries()) {
    const file = Buffer.from(`${name}.npy`);
    const body = deflateRawSync(npy);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE((crc32(npy) ^ (i === damaged ? 1 : 0)) >>> 0, 10);
    common.writeUInt32LE(body.length, 14);
    common.writeUInt32LE(npy.length, 18);
    common.writeUInt16LE(file.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, file, body]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), common, tail, file]));
    parts.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return bufferSource(new Uint8Array(Buffer.concat([...parts, directory, end])));
}

function npy(descr: string, fortran: boolean, shape: string, data: Uint8Array): Uint8Array {
  const order = fortran ? 'True' : 'False';
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
  const padded = `${text.padEnd(118 - 1)}\n`;
  const head = Buffer.concat([Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0])]);
  return new Uint8Array(Buffer.concat([head, Buffer.from(padded), data]));
}

const kernel = Array.from({ length: 600 }, (_, i) => i / 8);
const little = new Uint8Array(Float32Array.from(kernel).buffer);
const swapped = new Uint8Array(Buffer.from(little).swap32());
// (2, 300) in Fortran order: element (r, c) lies at r + 2c.
const columns = new Uint8Array(
  Float32Array.from({ length: 600 }, (_, at) => kernel[(at % 2) * 300 + Math.floor(at / 2)]!).buffer,
);
const bias = new Uint8Array(Float32Array.of(1, 2, 3).buffer);

describe('the mean of files that other programs wrote', () => {
  const ours = () =>
    sourceOf([
      tensorFrom('kernel', 'float32', [2, 300], kernel),
      tensorFrom('bias', 'float32', [3], [1, 2, 3]),
    ]);
  const b = { name: 'bias', npy: npy('<f4', false, '(3,)', bias) };
  const foreign = {
    deflated: [{ name: 'kernel', npy: npy('<f4', false, '(2, 300)', little) }, b],
    'big-endian': [{ name: 'kernel', npy: npy('>f4', false, '(2, 300)', swapped) }, b],
    'in Fortran order': [{ name: 'kernel', npy: npy('<f4', true, '(2, 300)', columns) }, b],
    'with names in another order': [b, { name: 'kernel', npy: npy('<f4', false, '(2, 300)', little) }],
  };

  for (const [how, entries] of Object.entries(foreign)) {
    it(`is the same as of ours when they are ${how}`, async () => {
      const source = await ours();
      const first = { source, weight: 1, label: 'ours' };
      const expected = await hexOf(weightedMean([first, { source, weight: 2, label: 'ours' }]));
      const other = { source: deflated(entries), weight: 2, label: 'theirs' };
      assert.equal(await hexOf(weightedMean([first, other])), expected);
    });
  }

  it('is refused when the CRC of a deflated entry is wrong, the last one included', async () => {
    for (const damaged of [0, 1]) {
      const update = { source: deflated(foreign.deflated, damaged), weight: 1, label: 'theirs' };
      await assert.rejects(collect(weightedMean([update])), { code: 'NPZ_CRC' });
    }
  });

  it('is not what a combiner takes: there the order of names must be that of the base model', async () => {
    const first = { source: await ours(), weight: 1, label: 'ours' };
    const other = { source: deflated(foreign['with names in another order']), weight: 1, label: 'theirs' };
    const infos = await modelInfos(first);
    await assert.rejects(collect(partialSum([first, other], infos)), { code: 'AGG_MISMATCH' });
  });
});
