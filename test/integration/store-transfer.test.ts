import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  downloadToFile,
  type ObjectStore,
  type SentPart,
  type SignedUpload,
  uploadFile,
} from '@consilium/platform';
import { patternBytes, sha256 } from '../support/bytes.js';
import { startCuttingProxy } from '../support/cutting-proxy.js';
import { type StoreTarget, storeKinds } from '../support/store-targets.js';

const MiB = 1024 * 1024;
const bucket = 'consilium-models';
const noWait = { sleep: async () => {}, random: () => 0 };
const limits = { multipartThreshold: 6 * MiB, partSize: 5 * MiB };

for (const kind of storeKinds) {
  describe(`files by signed URL on ${kind.name}`, { skip: kind.skip }, () => {
    let target: StoreTarget;
    let store: ObjectStore;
    /** Signs as somebody did 200 s ago. */
    let late: ObjectStore;
    let folder: string;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'consilium-transfer-'));
      target = await kind.start();
      store = await target.open({ deps: limits });
      late = await target.open({ deps: { ...limits, now: () => Date.now() - 200_000 } });
      await store.ensureBuckets([bucket]);
    });
    after(async () => {
      await store?.close();
      await late?.close();
      await target?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    async function file(name: string, bytes: Uint8Array) {
      const path = join(folder, name);
      await writeFile(path, bytes);
      return { path, size: bytes.byteLength, digest: sha256(bytes) };
    }

    /** Uploads as a client does, a service signing and completing. */
    function sender(key: string, from: { path: string; size: number; digest: string }, signer = store) {
      const { size, digest } = from;
      const asked: (string | undefined)[] = [];
      const plans: SignedUpload[] = [];
      return {
        asked,
        plans,
        run: (options: object = {}) =>
          uploadFile(
            from.path,
            async ({ uploadId }) => {
              asked.push(uploadId);
              const by = asked.length === 1 ? signer : store;
              const resume = uploadId === undefined ? {} : { uploadId };
              const plan = await by.signPut(
                bucket,
                key,
                { size, digest, ...resume },
                by === late ? 100 : 600,
              );
              plans.push(plan);
              // It travels as JSON.
              return JSON.parse(JSON.stringify(plan)) as SignedUpload;
            },
            {
              size,
              digest,
              ...noWait,
              complete: (uploadId: string, parts: readonly SentPart[]) =>
                store.completeUpload(bucket, key, { uploadId, size, digest, parts }),
              ...options,
            },
          ),
      };
    }

    test('a file goes up by one URL and down by another, for the public endpoint', async () => {
      const from = await file('small', patternBytes(300_000));
      const up = sender('signed/small', from);
      const progress: number[] = [];
      assert.deepEqual(await up.run({ onProgress: (done: number) => progress.push(done) }), {
        alreadyThere: false,
      });
      assert.equal(progress.at(-1), 300_000);
      assert.equal(up.plans[0]?.kind, 'single');
      const info = await store.head(bucket, 'signed/small');
      assert.deepEqual([info.size, info.digest], [from.size, from.digest]);
      const { url } = await store.signGet(bucket, 'signed/small', 600);
      assert.equal(new URL(url).origin, target.publicUrl);
      await downloadToFile({ url }, join(folder, 'small-down'), { ...from, ...noWait });
      assert.equal(sha256(await readFile(join(folder, 'small-down'))), from.digest);
    });

    test('an upload of what is there says so, single and in parts', async () => {
      for (const [key, size] of [
        ['there/small', 50_000],
        ['there/middle', 5 * MiB],
        ['there/large', 11 * MiB],
      ] as const) {
        const from = await file('there', patternBytes(size));
        assert.deepEqual(await sender(key, from).run(), { alreadyThere: false });
        const other = await file('there-other', patternBytes(size, 7));
        assert.deepEqual(await sender(key, other).run(), { alreadyThere: true });
        assert.equal((await store.head(bucket, key)).digest, from.digest);
      }
    });

    test('two uploads in parts to one key: the first to complete wins, the other is told', async () => {
      const a = await file('race-a', patternBytes(11 * MiB, 1));
      const b = await file('race-b', patternBytes(11 * MiB, 2));
      const complete = async (from: typeof a, uploadId: string) =>
        await store.completeUpload(bucket, 'race', { uploadId, size: from.size, digest: from.digest });
      const first = await sender('race', a).run({
        complete: async (uploadId: string) => {
          assert.deepEqual(await sender('race', b).run({ complete: (id: string) => complete(b, id) }), {
            alreadyThere: false,
          });
          await complete(a, uploadId);
        },
      });
      assert.deepEqual(first, { alreadyThere: true });
      assert.equal((await store.head(bucket, 'race')).digest, b.digest);
    });

    test('completing twice answers the same, and an unknown upload is refused', async () => {
      const from = await file('twice', patternBytes(11 * MiB));
      const { size, digest } = from;
      let id = '';
      await sender('twice', from).run({
        complete: async (uploadId: string) => {
          id = uploadId;
          const first = await store.completeUpload(bucket, 'twice', { uploadId, size, digest });
          const second = await store.completeUpload(bucket, 'twice', { uploadId, size, digest });
          assert.deepEqual(second, first);
        },
      });
      await store.abortUpload(bucket, 'twice', id);
      const other = { uploadId: id, size, digest: sha256(Buffer.from('x')) };
      await assert.rejects(store.completeUpload(bucket, 'twice', other), { code: 'STORE_NO_UPLOAD' });
    });

    test('a URL is good for its method, object, host and parameters only', async () => {
      const from = await file('tamper', patternBytes(1_000));
      await store.put(bucket, 'tamper/a', patternBytes(1_000));
      const { url } = await store.signGet(bucket, 'tamper/a', 600);
      const refused = async (bad: string, init: RequestInit = {}): Promise<void> => {
        const answer = await fetch(bad, init);
        await answer.arrayBuffer();
        assert.ok([400, 403].includes(answer.status), `${answer.status} ${bad}`);
      };
      await store.put(bucket, 'tamper/b', patternBytes(1_000));
      await refused(url.replace('tamper/a', 'tamper/b'));
      await refused(url.replace(target.publicUrl, target.url));
      await refused(url, { method: 'DELETE' });
      await refused(url, { method: 'PUT', body: 'x' });
      await refused(url.replace(/(xpires=)(\d+)/, (_, name: string, n: string) => `${name}${Number(n) + 1}`));
      await refused(
        url.replace(/(ignature=)(.)/, (_, name: string, c: string) => name + (c === '0' ? '1' : '0')),
      );
      await refused(url.slice(0, url.indexOf('?')));
      assert.equal((await store.head(bucket, 'tamper/a')).size, 1_000);
      await assert.rejects(
        downloadToFile({ url: url.replace('tamper/a', 'tamper/b') }, join(folder, 'bad'), {
          ...from,
          ...noWait,
        }),
        { code: 'STORE_DENIED' },
      );
    });

    test('an upload with other bytes, another size or without its condition is refused', async () => {
      const bytes = patternBytes(10_000);
      const plan = await store.signPut(bucket, 'strict', { size: 10_000, digest: sha256(bytes) }, 600);
      assert.ok(plan.kind === 'single');
      const put = async (body: Uint8Array, without?: string): Promise<number> => {
        const headers = Object.fromEntries(
          Object.entries(plan.headers).filter(([name]) => name !== without && name !== 'content-length'),
        );
        const answer = await fetch(plan.url, { method: 'PUT', headers, body: Buffer.from(body) });
        await answer.arrayBuffer();
        return answer.status;
      };
      assert.ok((await put(patternBytes(10_000, 2))) >= 400, 'other bytes');
      assert.ok((await put(bytes.subarray(1))) >= 400, 'fewer bytes');
      await assert.rejects(store.head(bucket, 'strict'), { code: 'STORE_NOT_FOUND' });
      assert.equal(await put(bytes), 200);
      // Leaving the condition out of the request does not leave it out of what was signed.
      assert.ok([400, 403, 412].includes(await put(bytes, 'if-none-match')), 'without the condition');
      assert.equal(await put(bytes), 412);
    });

    test('a file that changed since it was described is not sent', async () => {
      const from = await file('changed', patternBytes(1_000));
      await assert.rejects(sender('changed', { ...from, size: 999 }).run(), { code: 'STORE_SIZE_MISMATCH' });
      await writeFile(from.path, patternBytes(1_000, 5));
      await assert.rejects(sender('changed', from).run(), { code: 'STORE_DIGEST_MISMATCH' });
      await assert.rejects(store.head(bucket, 'changed'), { code: 'STORE_NOT_FOUND' });
    });

    test('expired URLs are replaced: download, upload, and parts that are there are not sent again', async () => {
      const from = await file('expired', patternBytes(20_000));
      assert.deepEqual(await sender('expired/small', from, late).run(), { alreadyThere: false });
      const urls = [late, store];
      const getUrl = () => (urls.shift() ?? store).signGet(bucket, 'expired/small', 100);
      await downloadToFile({ getUrl }, join(folder, 'fresh'), { ...from, ...noWait });
      assert.equal(urls.length, 0);

      const large = await file('expired-large', patternBytes(16 * MiB));
      const up = sender('expired/large', large, late);
      assert.deepEqual(await up.run(), { alreadyThere: false });
      assert.equal(up.asked.length, 2);
      const plan = up.plans[0];
      assert.ok(plan?.kind === 'multipart');
      assert.deepEqual(up.asked, [undefined, plan.uploadId]);
      assert.equal((await store.head(bucket, 'expired/large')).size, 16 * MiB);

      const { url } = await late.signGet(bucket, 'expired/small', 100);
      await assert.rejects(downloadToFile({ url }, join(folder, 'x'), { ...from, ...noWait }), {
        code: 'STORE_URL_EXPIRED',
      });
      let asked = 0;
      const stale = () => {
        asked++;
        return late.signGet(bucket, 'expired/small', 100);
      };
      await assert.rejects(downloadToFile({ getUrl: stale }, join(folder, 'x'), { ...from, ...noWait }), {
        code: 'STORE_URL_EXPIRED',
      });
      assert.equal(asked, 3);
    });

    test('parts that the store has are not sent again after a restart', async () => {
      const from = await file('restart', patternBytes(16 * MiB));
      const up = sender('restart', from);
      const stop = new AbortController();
      await assert.rejects(
        up.run({
          signal: stop.signal,
          onProgress: (done: number) => done > 11 * MiB && stop.abort(new Error('killed')),
        }),
        /killed/,
      );
      const plan = up.plans[0];
      assert.ok(plan?.kind === 'multipart');
      const { size, digest } = from;
      const again = await store.signPut(bucket, 'restart', { size, digest, uploadId: plan.uploadId }, 600);
      assert.ok(again.kind === 'multipart');
      const done = again.parts.map((part) => part.done ?? false);
      // The third was cut: versitygw says that it is there, with the right size and the wrong bytes.
      assert.deepEqual([done[0], done[1], done[3]], [true, true, false]);
      const seen: number[] = [];
      await uploadFile(from.path, async () => again, {
        ...from,
        ...noWait,
        onProgress: (done) => seen.push(done),
        complete: (uploadId, parts) =>
          store.completeUpload(bucket, 'restart', { uploadId, size, digest, parts }),
      });
      assert.equal(seen[0], 10 * MiB);
      const getUrl = () => store.signGet(bucket, 'restart', 600);
      await downloadToFile({ getUrl }, join(folder, 'restarted'), { ...from, ...noWait });
    });

    test('a cut download goes on where it was, also in another process, and bad leftovers do no harm', async () => {
      const bytes = patternBytes(6 * MiB);
      await store.put(bucket, 'cut', bytes);
      const proxy = await startCuttingProxy(new URL(target.url));
      const signer = await target.open({ publicUrl: `http://127.0.0.1:${proxy.port}` });
      try {
        const path = join(folder, 'cut');
        const options = { size: bytes.byteLength, digest: sha256(bytes), ...noWait };
        const getUrl = () => signer.signGet(bucket, 'cut', 600);
        const seen: number[] = [];
        proxy.cutNext([
          { after: 1_000_000, direction: 'down' },
          { after: 2_000_000, direction: 'down' },
        ]);
        await downloadToFile({ getUrl }, path, { ...options, onProgress: (done) => seen.push(done) });
        assert.equal(proxy.cuts, 2);
        assert.equal(sha256(await readFile(path)), options.digest);
        assert.deepEqual(
          seen,
          [...seen].sort((a, b) => a - b),
          'no byte was fetched twice',
        );

        const part = `${path}.${options.digest.slice(7, 23)}.part`;
        await writeFile(part, bytes.subarray(0, 4 * MiB));
        const after: number[] = [];
        await downloadToFile({ getUrl }, path, { ...options, onProgress: (done) => after.push(done) });
        assert.ok((after[0] ?? 0) > 4 * MiB);
        await writeFile(part, patternBytes(4 * MiB, 99));
        await downloadToFile({ getUrl }, path, options);
        assert.equal(sha256(await readFile(path)), options.digest);
        assert.deepEqual(
          (await readdir(folder)).filter((name) => name.endsWith('.part')),
          [],
        );
      } finally {
        await signer.close();
        await proxy.close();
      }
    });

    test('a cut upload is sent again', async () => {
      const from = await file('cut-up', patternBytes(16 * MiB));
      const proxy = await startCuttingProxy(new URL(target.url));
      const signer = await target.open({ publicUrl: `http://127.0.0.1:${proxy.port}`, deps: limits });
      try {
        proxy.cutNext([
          { after: 2_000_000, direction: 'up' },
          { after: 3_000_000, direction: 'up' },
        ]);
        const { size, digest } = from;
        const result = await uploadFile(
          from.path,
          () => signer.signPut(bucket, 'cut-up', { size, digest }, 600),
          {
            ...from,
            ...noWait,
            complete: (uploadId, parts) =>
              store.completeUpload(bucket, 'cut-up', { uploadId, size, digest, parts }),
          },
        );
        assert.deepEqual(result, { alreadyThere: false });
        assert.equal(proxy.cuts, 2);
        const getUrl = () => store.signGet(bucket, 'cut-up', 600);
        await downloadToFile({ getUrl }, join(folder, 'cut-up-down'), { ...from, ...noWait });
      } finally {
        await signer.close();
        await proxy.close();
      }
    });

    test('a download with other bytes, another size or no object leaves no file', async () => {
      await store.put(bucket, 'down/a', patternBytes(5_000));
      const right = { size: 5_000, digest: sha256(patternBytes(5_000)), ...noWait };
      const path = join(folder, 'none');
      const getUrl = () => store.signGet(bucket, 'down/a', 600);
      await assert.rejects(
        downloadToFile({ getUrl }, path, { ...right, digest: sha256(patternBytes(5_000, 3)) }),
        {
          code: 'STORE_DIGEST_MISMATCH',
        },
      );
      for (const size of [4_999, 5_001]) {
        await assert.rejects(downloadToFile({ getUrl }, path, { ...right, size }), {
          code: 'STORE_SIZE_MISMATCH',
        });
      }
      const missing = () => store.signGet(bucket, 'down/none', 600);
      await assert.rejects(downloadToFile({ getUrl: missing }, path, right), { code: 'STORE_NOT_FOUND' });
      assert.ok(!(await readdir(folder)).includes('none'));
    });
  });
}
