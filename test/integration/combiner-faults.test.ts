import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { modelInfos, partialSum } from '@consilium/aggregation';
import { digestOf } from '@consilium/platform';
import { bufferSource, collect, writeNpz } from '@consilium/tensor';
import { CombinerStage, eventually, tinyModel } from '../support/combiner-stage.js';
import type { HandClient } from '../support/hand-client.js';
import { natsBinaries } from '../support/nats-servers.js';

for (const binary of natsBinaries) {
  describe(`combiner with faults on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let stage: CombinerStage;
    before(async () => {
      stage = await CombinerStage.start(binary);
    });
    after(() => stage.stop());

    test('killed between two results, it goes on and makes the same partial', async () => {
      const sites = await stage.sites('o1', 'o2', 'o3');
      const [one, two, three] = sites as [HandClient, HandClient, HandClient];
      const order = await stage.order('killed', ['o1', 'o2', 'o3']);
      const models = [
        tinyModel([0.1, 1e-7, 3], 1n),
        tinyModel([-0.3, 1e7, 5], 2n),
        tinyModel([0.7, -1e7, 1], 5n),
      ];
      const first = await three.train(await three.task(), models[2] ?? [], 7);
      const late = await two.task();
      const bytes = await collect(writeNpz(models[1] ?? []));
      const uploaded = await two.upload(late.id, bytes);
      const request = two.done(
        late,
        two.claim(late, { update: uploaded.digest, num_examples: 13 }),
        uploaded.size,
      );
      // Perhaps it is answered, perhaps it dies on the way: the client asks again in either case.
      const lost = two.ask('result', request, 500).catch(() => undefined);
      await stage.killCombiner();
      await stage.startCombiner();
      await lost;

      assert.deepEqual(await three.sync(), []);
      assert.deepEqual(await three.send(first.request), { accepted: true });
      assert.deepEqual(await two.send(request), { accepted: true });
      const last = await one.train(await one.task(), models[0] ?? [], 3);
      assert.deepEqual(last.reply, { accepted: true });
      const report = await stage.closed(order);
      assert.deepEqual(
        report.results.map(({ client, weight }) => [client, weight]),
        [
          ['o1', 3],
          ['o2', 13],
          ['o3', 7],
        ],
      );
      const infos = await modelInfos({ source: bufferSource(bytes), label: 'o2' });
      const inputs = [
        { source: bufferSource(first.bytes), weight: 7, label: 'o3' },
        { source: bufferSource(bytes), weight: 13, label: 'o2' },
        { source: bufferSource(last.bytes), weight: 3, label: 'o1' },
      ];
      assert.equal(report.partial?.digest, digestOf(await collect(partialSum(inputs, infos))));
    });

    test('killed while it closes a phase, it closes it with the same partial', async () => {
      const bytes = await collect(writeNpz(tinyModel([0.1, 0.2, 0.3], 3n)));
      const infos = await modelInfos({ source: bufferSource(bytes), label: 'r' });
      const inputs = ['r1', 'r2'].map((label) => ({ source: bufferSource(bytes), weight: 10, label }));
      const expected = digestOf(await collect(partialSum(inputs, infos)));
      const sites = await stage.sites('r1', 'r2');
      // Killed at other points of the closing each time; which ones does not matter to the outcome.
      for (const pause of [0, 3, 6, 12, 25]) {
        const order = await stage.order(`closing-${pause}`, ['r1', 'r2']);
        for (const site of sites) {
          const task = await site.task();
          assert.equal((await site.train(task, bytes, 10)).reply.accepted, true);
        }
        await sleep(pause);
        await stage.killCombiner();
        await stage.startCombiner();
        const report = await stage.closed(order);
        assert.deepEqual([report.results.length, report.partial?.digest], [2, expected]);
        await stage.orders.delete(`north.closing-${pause}.1.0.train`);
      }
    });

    test('when NATS was away, orders and results of before still hold', async () => {
      const sites = await stage.sites('s1', 's2');
      const [one, two] = sites as [HandClient, HandClient];
      const order = await stage.order('nats', ['s1', 's2']);
      assert.equal((await one.train(await one.task(), tinyModel([1, 1, 1], 1n), 10)).reply.accepted, true);
      const task = await two.task();
      await stage.nats.kill();
      await stage.nats.restart();
      const model = tinyModel([3, 3, 3], 3n);
      assert.deepEqual(
        (await eventually('it is answered again', () => two.sync().catch(() => undefined)))[0]?.id,
        task.id,
      );
      assert.equal((await two.train(task, model, 10)).reply.accepted, true);
      assert.deepEqual((await stage.meanOf((await stage.closed(order)).partial)).kernel, [2, 2, 2]);
      const next = await stage.order('nats', ['s1'], {}, { round: 2 });
      assert.equal((await one.train(await one.task(), model, 10)).reply.accepted, true);
      assert.equal((await stage.closed(next)).results.length, 1);
    });

    test('a store that is away is no reason to refuse: the client asks again', async () => {
      const site = await stage.site('p1');
      const order = await stage.order('away', ['p1']);
      const task = await site.task();
      const model = await collect(writeNpz(tinyModel([1, 2, 3], 1n)));
      const { digest, size } = await site.upload(task.id, model);
      const request = site.done(task, site.claim(task, { update: digest }), size);
      const { resume } = await stage.loseStore();
      await assert.rejects(site.send(request), { code: 'STORE_UNAVAILABLE' });
      assert.equal((await site.task()).id, task.id);
      await resume();
      assert.deepEqual(await site.send(request), { accepted: true });
      assert.equal((await stage.closed(order)).results.length, 1);
    });

    test('an order that is not valid is left alone, and the others go on', async () => {
      const site = await stage.site('q1');
      await stage.orders.put('north.broken.1.0.train', { schema: 1, clients: 'all' } as never);
      await stage.orders.put('north.broken.2.0.train', stage.makeOrder('other', ['q1']));
      await stage.order('sound', ['q1']);
      assert.equal((await site.task()).id, 'sound.1.0.train.q1');
      await stage.killCombiner();
      await stage.startCombiner();
      assert.deepEqual(
        (await site.sync()).map(({ id }) => id),
        ['sound.1.0.train.q1'],
      );
    });

    test('asked to end, it ends in order and with exit code 0', async () => {
      assert.equal(await stage.killCombiner('SIGTERM'), 0);
    });

    test('asked to stop when NATS has just gone, it ends in order and not by force', async () => {
      await stage.startCombiner();
      await stage.nats.kill();
      assert.equal(await stage.killCombiner('SIGTERM'), 0);
    });
  });
}
