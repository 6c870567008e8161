import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { modelInfos, partialSum } from '@consilium/aggregation';
import { digestOf } from '@consilium/platform';
import { bufferSource, collect, writeNpz } from '@consilium/tensor';
import { CombinerStage, eventually, tinyModel } from '../support/combiner-stage.js';
import type { HandClient } from '../support/hand-client.js';
import { natsBinaries } from '../support/nats-servers.js';

for (const binary of natsBinaries) {
  describe(`combiner on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let stage: CombinerStage;
    before(async () => {
      stage = await CombinerStage.start(binary);
    });
    after(() => stage.stop());

    test('three sites train and their partial is the mean weighted by examples', async () => {
      const sites = await stage.sites('a1', 'a2', 'a3');
      const order = await stage.order('happy', ['a1', 'a2', 'a3']);
      const [one, two, three] = sites as [HandClient, HandClient, HandClient];
      const task = await one.task();
      assert.equal(task.id, 'happy.1.0.train.a1');
      assert.ok(task.seconds_left > 60 && task.seconds_left <= 120);
      await eventually('the task was also sent unasked', async () => one.pushed[0]?.tasks[0]?.id === task.id);

      const { get } = await one.urls({ task: task.id, get: ['inputs.weights', 'package.archive'] });
      const fetched = await fetch(get['inputs.weights']?.url ?? '');
      assert.equal(digestOf(new Uint8Array(await fetched.arrayBuffer())), stage.base.digest);

      assert.deepEqual((await one.train(task, tinyModel([4, 0, 1], 8n), 10)).reply, { accepted: true });
      assert.deepEqual(await one.sync(), []);
      await eventually('the open report counts the result', async () => {
        const report = await stage.report(order);
        return report?.state === 'open' && report.asked === 3 && report.done === 1;
      });
      assert.deepEqual((await three.train(await three.task(), tinyModel([0, 2, 1], 0n), 20)).reply, {
        accepted: true,
      });
      assert.deepEqual((await two.train(await two.task(), tinyModel([0, 0, 1], 4n), 10)).reply, {
        accepted: true,
      });

      const report = await stage.closed(order);
      assert.deepEqual(
        report.results.map(({ client, weight }) => [client, weight]),
        [
          ['a1', 10],
          ['a2', 10],
          ['a3', 20],
        ],
      );
      assert.deepEqual(report.absences, []);
      assert.deepEqual(await stage.meanOf(report.partial), { kernel: [1, 1, 1], steps: 3n });

      const events = await stage.eventsOf('happy');
      const results = events.flatMap((event) => (event.event === 'client.result' ? [event.client] : []));
      assert.deepEqual(results.sort(), ['a1', 'a2', 'a3']);
    });

    test('presence and heartbeat tell who is there', async () => {
      const site = await stage.site('b1');
      await site.sync();
      const presence = await eventually('presence is written', () => stage.presence.get('b1'));
      assert.equal(presence.value.combiner, 'north');
      assert.equal(presence.value.instance, 'by-hand-1');
      const beat = await eventually('a heartbeat counts the client', async () => {
        const entry = await stage.combiners.get('north');
        return (entry?.value.clients ?? 0) > 0 && entry;
      });
      assert.equal(beat.value.combiner, 'north');
    });

    test('validation makes a report with metrics and no partial', async () => {
      const site = await stage.site('h1');
      const order = await stage.order('validation', ['h1'], { weighting: 'equal' }, { kind: 'validate' });
      const task = await site.task();
      const claim = site.claim(task, { num_examples: 40, metrics: { accuracy: 0.75 } });
      assert.deepEqual(await site.send(site.done(task, claim)), { accepted: true });
      const report = await stage.closed(order);
      assert.equal(report.partial, null);
      assert.equal(report.results[0]?.weight, 40);
      assert.deepEqual(report.results[0]?.signed.claim.metrics, { accuracy: 0.75 });
    });

    test('a reported failure ends the task, with its log for people to see', async () => {
      const site = await stage.site('i1');
      const order = await stage.order('failure', ['i1']);
      const task = await site.task();
      const error = { code: 'PACKAGE_FAILED', message: '', detail: 'exit code 1', fix: '' };
      const failed = { outcome: 'failed', task: task.id, error, log_tail: 'ValueError: no data' };
      assert.deepEqual(await site.send(failed), { accepted: true });
      assert.deepEqual(await site.send(failed), { accepted: true });
      const report = await stage.closed(order);
      assert.deepEqual(report.absences, [
        { client: 'i1', kind: 'train', code: 'PACKAGE_FAILED', detail: 'exit code 1' },
      ]);
      assert.equal(report.partial, null);
      const [event] = (await stage.eventsOf('failure')).filter(({ event }) => event === 'client.failed');
      assert.ok(event?.event === 'client.failed');
      assert.equal(event.log_tail, 'ValueError: no data');
    });

    test('progress of a task that holds becomes events, limited in number', async () => {
      const site = await stage.site('j1');
      await stage.order('progress', ['j1']);
      const task = await site.task();
      site.event({ task: 'other.1.0.train.j1', step: 0 });
      for (let step = 1; step <= 200; step++)
        site.event({ task: task.id, step, steps: 200, state: 'running' });
      const events = await eventually('progress is seen', async () => {
        const found = await stage.eventsOf('progress');
        return found.length > 0 && found;
      });
      assert.ok(events.length < 100, `${events.length} events`);
      const [first] = events;
      assert.ok(first?.event === 'client.progress');
      assert.deepEqual([first.client, first.step, first.steps, first.state], ['j1', 1, 200, 'running']);
    });

    test('at the deadline the phase closes with what has arrived, and what comes then is late', async () => {
      const sites = await stage.sites('k1', 'k2');
      const [one, two] = sites as [HandClient, HandClient];
      const order = await stage.order('deadline', ['k1', 'k2']);
      const task = await two.task();
      const model = await collect(writeNpz(tinyModel([9, 9, 9], 9n)));
      const { digest, size } = await two.upload(task.id, model);
      assert.deepEqual((await one.train(await one.task(), tinyModel([2, 2, 2], 2n), 10)).reply, {
        accepted: true,
      });
      const template = { ...order.template, deadline: new Date().toISOString() };
      await stage.putOrder({ ...order, template });
      const report = await stage.closed(order);
      assert.deepEqual(
        report.absences.map(({ client, code }) => [client, code]),
        [['k2', 'TASK_LATE']],
      );
      assert.deepEqual((await stage.meanOf(report.partial)).kernel, [2, 2, 2]);
      assert.deepEqual(await two.sync(), []);
      const late = await two.send(two.done(task, two.claim(task, { update: digest }), size));
      assert.equal(late.error?.code, 'TASK_LATE');
      assert.equal(late.accepted, false);
      assert.deepEqual(
        (await stage.closed(order)).results.map(({ client }) => client),
        ['k1'],
      );
    });

    test('told to close, a phase closes at once; a withdrawn order vanishes from the lists', async () => {
      const sites = await stage.sites('l1', 'l2');
      const [one, two] = sites as [HandClient, HandClient];
      const order = await stage.order('goal', ['l1', 'l2']);
      assert.equal((await one.train(await one.task(), tinyModel([1, 0, 0], 1n), 10)).reply.accepted, true);
      await two.task();
      await stage.putOrder({ ...order, close: true });
      assert.equal((await stage.closed(order)).absences[0]?.code, 'TASK_LATE');
      await eventually('the absent client is told', async () => two.pushed.at(-1)?.tasks.length === 0);

      const next = await stage.order('goal', ['l1', 'l2'], {}, { round: 2 });
      await two.task();
      await stage.orders.delete(`north.goal.2.0.${next.template.kind}`);
      await eventually('the task vanishes', async () => (await two.sync()).length === 0);
      await eventually('that is told too', async () => two.pushed.at(-1)?.tasks.length === 0);
    });

    test('a newer epoch reopens a closed phase: results stand, new clients are asked', async () => {
      const sites = await stage.sites('m1', 'm2');
      const [one, two] = sites as [HandClient, HandClient];
      const order = await stage.order('epochs', ['m1']);
      assert.equal((await one.train(await one.task(), tinyModel([4, 4, 4], 4n), 10)).reply.accepted, true);
      await stage.closed(order);
      const second = await stage.putOrder({ ...order, epoch: 2, clients: ['m1', 'm2'] });
      const task = await two.task();
      assert.deepEqual(await one.sync(), []);
      assert.equal((await two.train(task, tinyModel([0, 0, 0], 0n), 30)).reply.accepted, true);
      const report = await stage.closed(second);
      assert.deepEqual(
        report.results.map(({ client }) => client),
        ['m1', 'm2'],
      );
      assert.deepEqual((await stage.meanOf(report.partial)).kernel, [1, 1, 1]);
    });

    test('an update in parts of several megabytes is uploaded, checked and summed', async () => {
      const values = Float32Array.from({ length: 6_000_000 }, (_, i) => i % 1000);
      const big = async (scale: number) => {
        const data = values.map((value) => value * scale);
        return await collect(writeNpz([{ name: 'w', dtype: 'float32', shape: [1000, 6000], data }]));
      };
      const base = await stage.putObject('consilium-models', 'trail/big/weights.npz', await big(0));
      const sites = await stage.sites('n1', 'n2');
      const [one, two] = sites as [HandClient, HandClient];
      const order = await stage.order(
        'big',
        ['n1', 'n2'],
        { max_update_norm: 1e9 },
        { inputs: { weights: base } },
      );
      const first = await one.train(await one.task(), await big(1), 100);
      const second = await two.train(await two.task(), await big(3), 300);
      assert.deepEqual([first.reply, second.reply], [{ accepted: true }, { accepted: true }]);
      const { partial } = await stage.closed(order);
      const infos = await modelInfos({ source: bufferSource(first.bytes), label: 'n1' });
      const inputs = [first, second].map(({ bytes }, i) => ({
        source: bufferSource(bytes),
        weight: [100, 300][i] ?? 0,
        label: `n${i + 1}`,
      }));
      assert.equal(partial?.digest, digestOf(await collect(partialSum(inputs, infos))));
    });
  });
}
