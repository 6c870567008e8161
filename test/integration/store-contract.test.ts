import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ObjectStore, objectSource, readBytes } from '@consilium/platform';
import type { StreamableSource } from '@consilium/tensor';
import { gather, inChunks, patternBytes, sha256 } from '../support/bytes.js';
import { startCuttingProxy } from '../support/cutting-proxy.js';
import { type StoreTarget, storeKinds } from '../support/store-targets.js';

const MiB = 1024 * 1024;
const bucket = 'consilium-models';

for (const kind of storeKinds) {
  describe(`object store on ${kind.name}`, { skip: kind.skip }, () => {
    let target: StoreTarget;
    let store: ObjectStore;

    before(async () => {
      target = await kind.start();
      store = await target.open({ deps: { multipartThreshold: 6 * MiB, partSize: 5 * MiB } });
      await store.ensureBuckets([bucket, 'consilium-packages']);
    });
    after(async () => {
      await store?.close();
      await target?.stop();
    });

    test('buckets are made once and stay', async () => {
      await store.put(bucket, 'stays.txt', Buffer.from('here'));
      await store.ensureBuckets([bucket]);
      assert.equal((await store.head(bucket, 'stays.txt')).size, 4);
    });

    test('a small object comes back as it was, with size, digest and type', async () => {
      const bytes = patternBytes(100_003);
      const key = 'trail/größe ü+%&=?#/1-abc (x)!.npz';
      const put = await store.put(bucket, key, inChunks(bytes, 999), { contentType: 'application/zip' });
      assert.deepEqual([put.size, put.digest], [bytes.byteLength, sha256(bytes)]);
      const read = await store.get(bucket, key);
      assert.deepEqual(await gather(read.body), bytes);
      const head = await store.head(bucket, key);
      assert.deepEqual(head, read.info);
      assert.deepEqual(
        [head.size, head.digest, head.etag, head.contentType],
        [bytes.byteLength, sha256(bytes), put.etag, 'application/zip'],
      );
    });

    test('an empty object is an object', async () => {
      await store.put(bucket, 'empty', new Uint8Array(0));
      const { bytes, info } = await readBytes(store, bucket, 'empty');
      assert.deepEqual([bytes.byteLength, info.size], [0, 0]);
      assert.equal(
        (await gather((await store.get(bucket, 'empty', { offset: 0, length: 5 })).body)).length,
        0,
      );
    });

    test('ranges give exactly the bytes asked for', async () => {
      const bytes = patternBytes(10_000);
      await store.put(bucket, 'ranges', bytes);
      const ranges = [
        { offset: 0, length: 1 },
        { offset: 9_999 },
        { offset: 5_000, length: 100 },
        { offset: 9_990, length: 100 },
        { offset: 17 },
        { offset: 3, length: 0 },
      ];
      for (const range of ranges) {
        const { offset, length = Number.POSITIVE_INFINITY } = range;
        const read = await store.get(bucket, 'ranges', range);
        assert.equal(read.info.size, 10_000);
        assert.deepEqual(await gather(read.body), bytes.subarray(offset, offset + length));
      }
      await assert.rejects(store.get(bucket, 'ranges', { offset: 10_000 }), { code: 'STORE_BAD_RANGE' });
      await assert.rejects(store.get(bucket, 'ranges', { offset: -1 }), { code: 'STORE_BAD_RANGE' });
    });

    test('a stored object is a byte source for the npz reader', async () => {
      const bytes = patternBytes(50_000);
      await store.put(bucket, 'source', bytes);
      const source: StreamableSource = await objectSource(store, bucket, 'source');
      assert.equal(source.size, 50_000);
      assert.deepEqual(Buffer.from(await source.read(49_000, 1_000)), bytes.subarray(49_000));
      assert.deepEqual(await gather(source.stream(20_000)), bytes.subarray(20_000));
      await assert.rejects(source.read(49_999, 2), { code: 'STORE_BAD_RANGE' });
    });

    test('an object that is not there is said to be not there', async () => {
      await assert.rejects(store.head(bucket, 'no/such'), { code: 'STORE_NOT_FOUND' });
      await assert.rejects(store.get(bucket, 'no/such'), { code: 'STORE_NOT_FOUND' });
      await store.delete(bucket, 'no/such');
      await assert.rejects(store.put('no-such-bucket', 'x', Buffer.from('x')), { code: 'STORE_NO_BUCKET' });
    });

    test('a deleted object is gone, and its folder can become an object', async () => {
      await store.put(bucket, 'gone/soon', Buffer.from('x'));
      await store.delete(bucket, 'gone/soon');
      await assert.rejects(store.head(bucket, 'gone/soon'), { code: 'STORE_NOT_FOUND' });
      await store.put(bucket, 'gone', Buffer.from('y'));
      assert.equal((await store.head(bucket, 'gone')).size, 1);
    });

    test('names that could leave the bucket are refused before anything is sent', async () => {
      for (const key of [
        '../up',
        'a/../b',
        './a',
        'a//b',
        '/a',
        'a/',
        '',
        'a\0b',
        'a\\b',
        'x'.repeat(201),
        '\ud800',
      ]) {
        await assert.rejects(store.put(bucket, key, Buffer.from('x')), { code: 'STORE_BAD_NAME' }, key);
      }
      for (const name of ['..', 'UP', 'a', '.consilium', 'a/b']) {
        await assert.rejects(store.head(name, 'key'), { code: 'STORE_BAD_NAME' }, name);
      }
    });

    test('of eight writers at once exactly one writes a write-once object', async () => {
      for (const size of [1_000, 7 * MiB]) {
        const key = `once/${size}`;
        const bodies = Array.from({ length: 8 }, (_, i) => patternBytes(size, i + 1));
        const results = await Promise.allSettled(
          bodies.map((body) => store.put(bucket, key, body, { writeOnce: true })),
        );
        const winners = results.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
        const losers = results.flatMap((r) => (r.status === 'rejected' ? [r.reason.code] : []));
        assert.equal(winners.length, 1);
        assert.deepEqual(losers, Array(7).fill('STORE_EXISTS'));
        const { bytes } = await readBytes(store, bucket, key);
        assert.equal(sha256(bytes), winners[0]?.digest);
      }
    });

    test('ifMatch replaces the version that was read and no other', async () => {
      const key = 'heads/session.json';
      const first = await store.put(bucket, key, Buffer.from('{"n":1}'));
      const second = await store.put(bucket, key, Buffer.from('{"n":2}'), { ifMatch: first.etag });
      await assert.rejects(store.put(bucket, key, Buffer.from('{"n":3}'), { ifMatch: first.etag }), {
        code: 'STORE_PRECONDITION',
      });
      await assert.rejects(store.put(bucket, 'heads/none', Buffer.from('x'), { ifMatch: first.etag }), {
        code: 'STORE_PRECONDITION',
      });
      const { bytes, info } = await readBytes(store, bucket, key);
      assert.deepEqual([Buffer.from(bytes).toString(), info.etag], ['{"n":2}', second.etag]);
    });

    test('a listing has every key with the prefix, past a thousand, in order', async () => {
      const names = Array.from({ length: 1_105 }, (_, i) => `list/s-${i % 7}/${String(i).padStart(5, '0')}`);
      for (let at = 0; at < names.length; at += 50) {
        await Promise.all(names.slice(at, at + 50).map((n) => store.put(bucket, n, Buffer.from(n))));
      }
      await store.put(bucket, 'list/s-3.json', Buffer.from('x'));
      await store.put(bucket, 'lisu', Buffer.from('x'));
      const listed: string[] = [];
      for await (const entry of store.list(bucket, 'list/')) {
        listed.push(entry.key);
        assert.equal(entry.size, entry.key === 'list/s-3.json' ? 1 : entry.key.length);
      }
      const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
      assert.deepEqual(listed, [...names, 'list/s-3.json'].sort(byBytes));
      const some: string[] = [];
      for await (const entry of store.list(bucket, 'list/s-3')) some.push(entry.key);
      assert.equal(some.length, names.filter((n) => n.startsWith('list/s-3/')).length + 1);
      for await (const entry of store.list(bucket, 'nothing-here')) assert.fail(entry.key);
    });

    test('a large stream of unknown length goes in parts and comes back whole', async () => {
      const bytes = patternBytes(13 * MiB + 17);
      const put = await store.put(bucket, 'large', inChunks(bytes, 1_000_003), { writeOnce: true });
      assert.deepEqual([put.size, put.digest], [bytes.byteLength, sha256(bytes)]);
      const read = await store.get(bucket, 'large');
      assert.equal(sha256(await gather(read.body)), put.digest);
    });

    test('a put with a wrong size or digest, or a broken source, leaves nothing', async () => {
      for (const size of [1_000, 12 * MiB]) {
        const bytes = patternBytes(size);
        const put = (options: object, body: Parameters<ObjectStore['put']>[2] = inChunks(bytes, 70_000)) =>
          store.put(bucket, 'never', body, options);
        await assert.rejects(put({ size: size + 1 }), { code: 'STORE_SIZE_MISMATCH' });
        await assert.rejects(put({ size: size - 1 }), { code: 'STORE_SIZE_MISMATCH' });
        await assert.rejects(put({ digest: sha256(Buffer.from('other')) }), {
          code: 'STORE_DIGEST_MISMATCH',
        });
        await assert.rejects(put({}, broken(bytes)), /the source broke/);
        await assert.rejects(store.head(bucket, 'never'), { code: 'STORE_NOT_FOUND' });
      }
      for await (const entry of store.list(bucket, 'never')) assert.fail(entry.key);
    });

    test('reading goes on at the byte where a connection broke', async () => {
      const bytes = patternBytes(6 * MiB);
      await store.put(bucket, 'cut', bytes);
      const proxy = await startCuttingProxy(new URL(target.url));
      const retries: unknown[] = [];
      const through = await target.openAt(`http://127.0.0.1:${proxy.port}`, {
        sleep: async () => {},
        onRetry: (event) => retries.push(event),
      });
      try {
        proxy.cutNext([
          { after: 1_500_000, direction: 'down' },
          { after: 2_000_000, direction: 'down' },
        ]);
        const read = await through.get(bucket, 'cut', { offset: 100 });
        assert.equal(sha256(await gather(read.body)), sha256(bytes.subarray(100)));
        assert.equal(proxy.cuts, 2);
        assert.ok(retries.length >= 2);
      } finally {
        await through.close();
        await proxy.close();
      }
    });

    test('a put is repeated when the connection breaks, and counts once', async () => {
      const proxy = await startCuttingProxy(new URL(target.url));
      const through = await target.openAt(`http://127.0.0.1:${proxy.port}`, { sleep: async () => {} });
      try {
        const bytes = patternBytes(2 * MiB);
        proxy.cutNext([
          { after: 500_000, direction: 'up' },
          // The answer itself: the write has happened, and the repeated one meets its own object.
          { after: 1, direction: 'down' },
        ]);
        const put = await through.put(bucket, 'repeated', bytes, { writeOnce: true });
        assert.equal(put.digest, sha256(bytes));
        assert.equal(proxy.cuts, 2);
      } finally {
        await through.close();
        await proxy.close();
      }
    });

    test('a store that is away is STORE_UNAVAILABLE after the stated tries', async () => {
      const proxy = await startCuttingProxy(new URL(target.url));
      await proxy.close();
      const delays: number[] = [];
      const away = await target.openAt(`http://127.0.0.1:${proxy.port}`, {
        attempts: 4,
        random: () => 1,
        sleep: async (ms) => {
          delays.push(ms);
        },
      });
      await assert.rejects(away.head(bucket, 'x'), { code: 'STORE_UNAVAILABLE' });
      assert.deepEqual(delays, [100, 200, 400]);
      await away.close();
    });

    test('the probe passes', async () => {
      await store.probe(bucket);
      for await (const entry of store.list(bucket, '.probe')) assert.fail(entry.key);
    });
  });
}

async function* broken(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes.subarray(0, Math.ceil(bytes.byteLength / 2));
  throw new Error('the source broke');
}
