import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Tensor } from '@consilium/tensor';
import { bufferSource, npzLayout, tensorFrom } from '@consilium/tensor';
import { checkUpdate } from './check-update.js';
import { infosOf, sourceOf } from './testing/models.js';

const base: Tensor[] = [
  tensorFrom('w', 'float32', [2, 3], [1, 2, 3, 4, 5, 6]),
  tensorFrom('h', 'float16', [2], [1, 2]),
  tensorFrom('n', 'int64', [], [7n]),
];
const infos = infosOf(base);
const check = { weight: 10, label: 'site-a' };

const withWeights = (values: number[]) =>
  sourceOf([tensorFrom('w', 'float32', [2, 3], values), ...base.slice(1)]);

describe('an update', () => {
  it('is accepted when it has the form of the base model, and is measured', async () => {
    const source = await withWeights([1, 2, 3, 4, 5, 9]);
    assert.deepEqual(await checkUpdate(source, infos, check), { parameters: 9, bytes: source.size });
  });

  it('is measured against the base model where one is given, integers aside', async () => {
    const source = await sourceOf([
      tensorFrom('w', 'float32', [2, 3], [1, 2, 3, 4, 5, 9]),
      tensorFrom('h', 'float16', [2], [1, 6]),
      tensorFrom('n', 'int64', [], [1000n]),
    ]);
    const checked = await checkUpdate(source, infos, { ...check, base: await sourceOf(base), maxNorm: 5 });
    assert.equal(checked.l2Norm, 5);
    const strict = { ...check, base: await sourceOf(base), maxNorm: 4.99 };
    await assert.rejects(checkUpdate(source, infos, strict), { code: 'AGG_NORM', detail: /5.*4\.99/ });
    await assert.rejects(checkUpdate(source, infos, { ...check, maxNorm: 5 }), TypeError);
  });

  it('is refused for other names, dtypes, shapes or numbers of tensors', async () => {
    const others: Tensor[][] = [
      base.slice(0, 2),
      [...base, tensorFrom('x', 'float32', [], [1])],
      [base[1]!, base[0]!, base[2]!],
      [tensorFrom('w', 'float64', [2, 3], [1, 2, 3, 4, 5, 6]), ...base.slice(1)],
      [tensorFrom('w', 'float32', [6], [1, 2, 3, 4, 5, 6]), ...base.slice(1)],
    ];
    for (const tensors of others) {
      const source = await sourceOf(tensors);
      await assert.rejects(checkUpdate(source, infos, check), { code: 'AGG_MISMATCH', where: 'site-a' });
    }
  });

  it('is refused when a number is not finite', async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const source = await withWeights([1, 2, 3, 4, value, 6]);
      await assert.rejects(checkUpdate(source, infos, check), {
        code: 'AGG_NOT_FINITE',
        where: 'site-a, tensor "w", element 4',
      });
    }
  });

  it('is refused when a value times its weight could not be summed, and only then', async () => {
    const source = await withWeights([1, 2, 3, -(2 ** 30), 5, 6]);
    assert.ok(await checkUpdate(source, infos, { ...check, weight: 128 }));
    await assert.rejects(checkUpdate(source, infos, { ...check, weight: 129 }), {
      code: 'AGG_OUT_OF_RANGE',
      where: 'site-a, tensor "w", element 3',
    });
  });

  it('is refused for a weight that is no count of examples', async () => {
    const source = await sourceOf(base);
    await assert.rejects(checkUpdate(source, infos, { ...check, weight: 0 }), { code: 'AGG_BAD_WEIGHT' });
  });

  it('is refused when a byte of any tensor was changed', async () => {
    const source = await sourceOf(base);
    const bytes = await source.read(0, source.size);
    for (const { dataOffset } of npzLayout(infos).entries) {
      const changed = Uint8Array.from(bytes);
      changed[dataOffset]! ^= 1;
      await assert.rejects(checkUpdate(bufferSource(changed), infos, check), { code: 'NPZ_CRC' });
    }
  });

  it('is refused unread when it is far larger than the model', async () => {
    const source = { size: 2 ** 40, read: () => assert.fail('it was read') };
    await assert.rejects(checkUpdate(source, infos, check), { code: 'AGG_TOO_LARGE' });
  });

  it('is refused when it is not in the canonical form', async () => {
    const source = await sourceOf(base);
    const bytes = await source.read(0, source.size);
    const commented = new Uint8Array([...bytes, 65]);
    commented[bytes.length - 2] = 1;
    await assert.rejects(checkUpdate(bufferSource(commented), infos, check), { code: 'AGG_NOT_CANONICAL' });
  });
});
