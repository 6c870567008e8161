import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  acquireLease,
  type Bus,
  type KvBucket,
  type KvChange,
  type LeaseRecord,
  openKv,
  openStream,
} from '@consilium/platform';
import { natsBinaries, TestNats } from '../support/nats-servers.js';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

for (const binary of natsBinaries) {
  describe(`durable state on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let nats: TestNats;
    let one: Bus;
    let two: Bus;

    before(async () => {
      nats = await TestNats.start(binary);
      one = await nats.service('reducer-1');
      two = await nats.service('reducer-2');
    });
    after(() => nats.stop());

    test('of two writers with the same revision one wins and the other gets BUS_CONFLICT', async () => {
      const first = await openKv<number>(one, { name: 'cas' });
      const second = await openKv<number>(two, { name: 'cas' });
      const revision = await first.create('k', 1);
      await assert.rejects(second.create('k', 1), { code: 'BUS_CONFLICT', where: 'cas/k' });
      const results = await Promise.allSettled([
        first.update('k', 2, revision),
        second.update('k', 3, revision),
      ]);
      assert.deepEqual(results.map((r) => r.status).sort(), ['fulfilled', 'rejected']);
      const failed = results.find((r) => r.status === 'rejected');
      assert.equal(failed?.status === 'rejected' && failed.reason.code, 'BUS_CONFLICT');
      await assert.rejects(first.delete('k', revision), { code: 'BUS_CONFLICT' });
      await first.delete('k', (await first.get('k'))!.revision);
      assert.equal(await first.get('k'), undefined);
      assert.ok((await second.create('k', 4)) > revision);
    });

    test('keys and entries list what matches, without what was deleted; an empty bucket lists nothing', async () => {
      const kv = await openKv<string>(one, { name: 'listing' });
      assert.deepEqual(await kv.keys(), []);
      for (const key of ['s1.a', 's1.b', 's2.a']) await kv.put(key, `of ${key}`);
      await kv.delete('s1.b');
      assert.deepEqual((await kv.keys()).sort(), ['s1.a', 's2.a']);
      assert.deepEqual(await kv.keys('s1.>'), ['s1.a']);
      assert.deepEqual(
        (await kv.entries('*.a')).map((e) => e.value),
        ['of s1.a', 'of s2.a'],
      );
      assert.deepEqual(await kv.keys('s3.>'), []);
    });

    test('a key or filter that NATS cannot hold is refused with its name', async () => {
      const kv = await openKv<string>(one, { name: 'naming' });
      for (const key of ['', '.a', 'a.', 'a..b', 'a b', 'a*', '>', 'ü']) {
        await assert.rejects(kv.put(key, 'x'), { code: 'BUS_BAD_KEY' }, key);
      }
      await assert.rejects(kv.keys('a b.>'), { code: 'BUS_BAD_KEY' });
      await assert.rejects(openKv(one, { name: 'a.b' }), { code: 'BUS_BAD_KEY' });
    });

    test('a stored value is checked and migrated by its schema version when it is read', async () => {
      const old = await openKv<number>(one, { name: 'schema', schema: 1 });
      await old.put('k', 5);
      const validate = (value: unknown, schema: number): { n: number } => {
        if (schema === 1) return { n: value as number };
        if (typeof (value as { n?: unknown }).n !== 'number') throw new Error('n is no number');
        return value as { n: number };
      };
      const current = await openKv(one, { name: 'schema', schema: 2, validate });
      assert.deepEqual((await current.get('k'))?.value, { n: 5 });
      await current.put('k', { n: 6 });
      await assert.rejects(old.get('k'), { code: 'BUS_BAD_MESSAGE', where: 'schema/k' });
      await current.put('bad', {} as { n: number });
      await assert.rejects(current.get('bad'), { code: 'BUS_BAD_MESSAGE', detail: 'n is no number' });
    });

    test('a watch tells what is there, what changes, and across kill -9 what changed meanwhile', async () => {
      const writer = await openKv<number>(two, { name: 'watched' });
      await writer.put('a', 1);
      await writer.put('gone', 1);
      const reader = await openKv<number>(one, { name: 'watched' });
      const stop = new AbortController();
      const seen: KvChange<number>[] = [];
      const state = new Map<string, number>();
      let wake: () => void = () => undefined;
      const following = (async () => {
        for await (const change of reader.watch({ signal: stop.signal })) {
          seen.push(change);
          if (change.type === 'put') state.set(change.key, change.entry.value);
          if (change.type === 'delete') state.delete(change.key);
          wake();
        }
      })();
      const until = async (done: () => boolean): Promise<void> => {
        while (!done()) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      };
      await until(() => seen.some((c) => c.type === 'current'));
      assert.deepEqual(
        [...state],
        [
          ['a', 1],
          ['gone', 1],
        ],
      );
      await writer.put('b', 2);
      await writer.delete('gone');
      await until(() => state.get('b') === 2 && !state.has('gone'));

      await nats.kill();
      await nats.restart();
      await two.ready();
      // Written as early as possible: the watching side may not be back yet.
      await writer.put('a', 10);
      await writer.delete('b');
      await writer.put('c', 3);
      await until(() => state.get('a') === 10 && state.get('c') === 3 && !state.has('b'));
      assert.deepEqual([...state].sort(), [
        ['a', 10],
        ['c', 3],
      ]);
      const puts = seen.filter((c) => c.type === 'put').map((c) => `${c.key}@${c.entry.revision}`);
      assert.equal(new Set(puts).size, puts.length, 'no revision is told twice');
      stop.abort();
      await following;
    });

    test('in a bucket with a TTL an entry that is not renewed disappears, and a watch says so', async () => {
      const kv = await openKv<string>(one, { name: 'presence', ttl: 1_000 });
      await kv.put('site-a', 'here');
      const changes: string[] = [];
      for await (const change of kv.watch()) {
        changes.push(change.type === 'current' ? 'current' : `${change.type} ${change.key}`);
        if (change.type === 'delete') break;
      }
      assert.equal(changes[0], 'put site-a');
      assert.equal(changes.at(-1), 'delete site-a');
      assert.equal(await kv.get('site-a'), undefined);
    });

    test('a lease has one holder, goes to the next when released or not renewed, and its token grows', async () => {
      const ttl = 1_500;
      const open = (bus: Bus): Promise<KvBucket<LeaseRecord>> =>
        openKv<LeaseRecord>(bus, { name: 'leases', ttl });
      const [first, second] = [await open(one), await open(two)];
      const now = (): number => performance.now();
      const held = await acquireLease({ bucket: first, key: 'reducer', holder: 'r1', ttl, now });
      assert.ok(held);
      const take = (): ReturnType<typeof acquireLease> =>
        acquireLease({ bucket: second, key: 'reducer', holder: 'r2', ttl, now });
      for (let i = 0; i < 4; i += 1) {
        await sleep(ttl / 3);
        await held.renew();
        assert.equal(await take(), undefined);
      }
      await held.release();
      assert.equal(held.held, false);
      await assert.rejects(held.renew(), { code: 'BUS_LEASE_LOST' });
      const next = await take();
      assert.ok(next && next.token > held.token);

      // The second holder falls silent: it must know that it lost before anybody else can have it.
      let third: Awaited<ReturnType<typeof acquireLease>>;
      do {
        await sleep(50);
        third = await acquireLease({ bucket: first, key: 'reducer', holder: 'r1', ttl, now });
      } while (third === undefined);
      assert.equal(next.held, false);
      assert.ok(next.signal.aborted);
      assert.ok(third.token > next.token);
      await assert.rejects(next.renew(), { code: 'BUS_LEASE_LOST' });
      await next.release();
      assert.ok(third.held);
      await third.renew();
      await third.release();
    });

    test('a holder whose entry was taken over learns it at the next renewal', async () => {
      const bucket = await openKv<LeaseRecord>(one, { name: 'taken' });
      const lease = await acquireLease({ bucket, key: 'k', holder: 'r1', ttl: 60_000, now: Date.now });
      assert.ok(lease);
      await bucket.put('k', { holder: 'r2', token: 99 });
      await assert.rejects(lease.renew(), { code: 'BUS_LEASE_LOST', detail: 'r2 holds it now.' });
      assert.equal(lease.held, false);
    });

    test('a stream keeps order, counts an id once, and refuses an append behind a stale end', async () => {
      const stream = await openStream(one, { name: 'AUDIT', subjects: ['consilium.audit'] });
      assert.deepEqual(await collect(stream.read()), []);
      const a = await stream.publish('consilium.audit', { n: 1 }, { id: 'x', expectedLastSequence: 0 });
      const b = await stream.publish('consilium.audit', { n: 1 }, { id: 'x' });
      assert.deepEqual(
        [a, b],
        [
          { sequence: 1, duplicate: false },
          { sequence: 1, duplicate: true },
        ],
      );
      await stream.publish('consilium.audit', { n: 2 }, { expectedLastSequence: 1 });
      await assert.rejects(stream.publish('consilium.audit', { n: 3 }, { expectedLastSequence: 1 }), {
        code: 'BUS_CONFLICT',
      });
      assert.equal(await stream.lastSequence(), 2);
      const all = await collect(stream.read());
      assert.deepEqual(
        all.map((m) => [m.sequence, m.value]),
        [
          [1, { n: 1 }],
          [2, { n: 2 }],
        ],
      );
      assert.deepEqual(
        (await collect(stream.read({ from: 2 }))).map((m) => m.sequence),
        [2],
      );
    });

    test('following a stream misses and repeats nothing across kill -9', async () => {
      const stream = await openStream(one, { name: 'EVENTS', subjects: ['consilium.event.*'] });
      const stop = new AbortController();
      const seen: number[] = [];
      const following = (async () => {
        for await (const message of stream.follow({ signal: stop.signal })) {
          seen.push(message.value as number);
          if (seen.length === 40) stop.abort();
        }
      })();
      for (let n = 0; n < 40; n += 1) {
        if (n === 20) {
          await nats.kill();
          await nats.restart();
        }
        await stream.publish('consilium.event.s1', n, { id: `e${n}` });
      }
      await following;
      assert.deepEqual(
        seen,
        Array.from({ length: 40 }, (_, n) => n),
      );
    });
  });
}
