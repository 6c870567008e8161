import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createIdentity, digestOf } from '@consilium/platform';
import { objectKeys, type Task } from '@consilium/protocol';
import { collect, writeNpz } from '@consilium/tensor';
import { CombinerStage, tinyModel } from '../support/combiner-stage.js';
import type { HandClient } from '../support/hand-client.js';
import { natsBinaries } from '../support/nats-servers.js';

for (const binary of natsBinaries) {
  describe(`what a combiner refuses on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let stage: CombinerStage;
    before(async () => {
      stage = await CombinerStage.start(binary);
    });
    after(() => stage.stop());

    test('a result sent again is acknowledged and counted once; another one is refused', async () => {
      const sites = await stage.sites('c1', 'c2');
      const [one, two] = sites as [HandClient, HandClient];
      const order = await stage.order('duplicate', ['c1', 'c2']);
      const task = await one.task();
      const { request, digest, bytes } = await one.train(task, tinyModel([1, 1, 1], 1n), 10);
      assert.deepEqual(await Promise.all([one.send(request), one.send(request)]), [
        { accepted: true },
        { accepted: true },
      ]);
      const other = one.done(task, one.claim(task, { update: digest, num_examples: 500 }), bytes.length);
      const reply = await one.send(other);
      assert.equal(reply.accepted, false);
      assert.equal(reply.error?.code, 'TASK_ENDED');
      await two.train(await two.task(), tinyModel([3, 3, 3], 3n), 10);
      assert.deepEqual((await stage.meanOf((await stage.closed(order)).partial)).kernel, [2, 2, 2]);
      assert.deepEqual(await one.send(request), { accepted: true });
    });

    test('of the same result sent twice at once, one check and one record come', async () => {
      const site = await stage.site('d1');
      const order = await stage.order('twice', ['d1']);
      const task = await site.task();
      const model = await collect(writeNpz(tinyModel([1, 1, 1], 1n)));
      const { digest, size } = await site.upload(task.id, model);
      const request = site.done(task, site.claim(task, { update: digest }), size);
      const replies = await Promise.all([site.send(request), site.send(request), site.send(request)]);
      assert.deepEqual(replies, [{ accepted: true }, { accepted: true }, { accepted: true }]);
      assert.equal((await stage.closed(order)).results.length, 1);
      const results = (await stage.eventsOf('twice')).filter(({ event }) => event === 'client.result');
      assert.equal(results.length, 1);
    });

    test('what is wrong with a result is refused with its own code, and the round goes on', async () => {
      const cases: Record<string, (site: HandClient, task: Task) => Promise<unknown>> = {
        UPDATE_WRONG_TASK: async (site, task) =>
          site.done(task, site.claim(task, { ...(await sent(site, task)), round: 7 }), 1),
        UPDATE_FOREIGN: async (site, task) =>
          site.done(task, site.claim(task, { ...(await sent(site, task)), client: 'e0' }), 1),
        UPDATE_WRONG_BASE: async (site, task) =>
          site.done(
            task,
            site.claim(task, { ...(await sent(site, task)), base: digestOf(Buffer.from('old')) }),
            1,
          ),
        UPDATE_WRONG_PACKAGE: async (site, task) =>
          site.done(
            task,
            site.claim(task, { ...(await sent(site, task)), package: digestOf(Buffer.from('old')) }),
            1,
          ),
        UPDATE_BAD_EXAMPLES: async (site, task) =>
          site.done(task, site.claim(task, { ...(await sent(site, task)), num_examples: 0 }), 1),
        UPDATE_BAD_CLAIM: async (site, task) => {
          const { claim, key } = site.sign(site.claim(task, await sent(site, task)));
          return { outcome: 'done', task: task.id, signed: { claim, key }, update_size: 1 };
        },
        UPDATE_WRONG_KEY: async (site, task) => {
          const signed = site.sign(site.claim(task, await sent(site, task)), createIdentity('user'));
          return { outcome: 'done', task: task.id, signed, update_size: 1 };
        },
        UPDATE_BAD_SIGNATURE: async (site, task) => {
          const stranger = site.sign(site.claim(task, await sent(site, task)), createIdentity('user'));
          const signed = { ...stranger, key: site.identity.publicKey };
          return { outcome: 'done', task: task.id, signed, update_size: 1 };
        },
        UPDATE_BAD_METRICS: async (site, task) =>
          site.done(
            task,
            { ...site.claim(task, await sent(site, task)), metrics: { loss: null } } as never,
            1,
          ),
        UPDATE_MISSING: async (site, task) =>
          site.done(task, site.claim(task, { update: digestOf(Buffer.from('never sent')) }), 500),
        UPDATE_WRONG_SIZE: async (site, task) =>
          site.done(task, site.claim(task, await sent(site, task)), 17),
        UPDATE_WRONG_DIGEST: async (site, task) => {
          // As on a store that does not compare the bytes of an upload with their digest.
          const update = digestOf(Buffer.from('what was signed'));
          const model = await collect(writeNpz(tinyModel([1, 2, 3], 1n)));
          await stage.store.put('consilium-work', objectKeys.update(task, site.name, update), model);
          return site.done(task, site.claim(task, { update }), model.length);
        },
        UPDATE_TOO_LARGE: async (site, task) =>
          site.done(task, site.claim(task, await sent(site, task)), 10_000_000),
        UPDATE_CLIENT_REVOKED: async (site, task) => {
          const update = await sent(site, task);
          const record = await stage.clients.get(site.name);
          assert.ok(record);
          await stage.clients.put(site.name, { ...record.value, revoked_at: new Date().toISOString() });
          return site.done(task, site.claim(task, update), 1);
        },
        UPDATE_NOT_ENROLLED: async (site, task) => {
          await stage.clients.delete(site.name);
          return site.done(task, site.claim(task, await sent(site, task)), 1);
        },
        AGG_NOT_FINITE: (site, task) => withModel(site, task, tinyModel([1, Number.NaN, 3], 1n)),
        AGG_MISMATCH: (site, task) => withModel(site, task, tinyModel([1, 2, 3, 4], 1n)),
        AGG_NORM: (site, task) => withModel(site, task, tinyModel([100, 100, 100], 1n)),
      };
      async function sent(site: HandClient, task: Task): Promise<{ update: string }> {
        const model = await collect(writeNpz(tinyModel([1, 1, 1], 1n)));
        return { update: (await site.upload(task.id, model)).digest };
      }
      async function withModel(
        site: HandClient,
        task: Task,
        model: ReturnType<typeof tinyModel>,
      ): Promise<unknown> {
        const { digest, size } = await site.upload(task.id, await collect(writeNpz(model)));
        return site.done(task, site.claim(task, { update: digest }), size);
      }

      const codes = Object.keys(cases);
      const names = codes.map((_, i) => `e${i + 1}`);
      const sites = await stage.sites(...names, 'e-good');
      const order = await stage.order('refusals', [...names, 'e-good'], { max_update_norm: 100 });
      for (const [i, code] of codes.entries()) {
        const site = sites[i] as HandClient;
        const request = await cases[code]?.(site, await site.task());
        for (const turn of ['first', 'again']) {
          const reply = await site.send(request);
          assert.equal(reply.accepted, false, `${code} ${turn}`);
          assert.equal(reply.error?.code, code, `${turn}: ${reply.error?.detail}`);
        }
        if (code === 'UPDATE_CLIENT_REVOKED') await assert.rejects(site.sync(), { code: 'TRUST_REVOKED' });
        else assert.deepEqual(await site.sync(), [], code);
      }
      const good = sites.at(-1) as HandClient;
      assert.deepEqual((await good.train(await good.task(), tinyModel([5, 6, 7], 2n), 30)).reply, {
        accepted: true,
      });

      const report = await stage.closed(order);
      assert.deepEqual(Object.fromEntries(report.absences.map(({ client, code }) => [client, code])), {
        ...Object.fromEntries(names.map((name, i) => [name, codes[i]])),
      });
      assert.deepEqual(await stage.meanOf(report.partial), { kernel: [5, 6, 7], steps: 2n });
      const told = (await stage.eventsOf('refusals')).flatMap((e) =>
        e.event === 'update.refused' ? [e.code] : [],
      );
      assert.deepEqual(told.sort(), codes.toSorted());
    });

    test('a task of another client, of an old round or of no order cannot be ended', async () => {
      const sites = await stage.sites('f1', 'f2');
      const [one, two] = sites as [HandClient, HandClient];
      await stage.order('foreign', ['f1', 'f2'], {}, { round: 2 });
      const task = await one.task();
      const foreign = await two.send({ ...two.done(task, two.claim(task)), task: task.id });
      assert.equal(foreign.error?.code, 'TASK_FOREIGN');
      // No answer for good: the order might be on its way from another combiner.
      const stale = { ...one.done(task, one.claim(task)), task: 'foreign.1.0.train.f1' };
      await assert.rejects(one.send(stale), { code: 'TASK_UNKNOWN' });
      assert.equal(await stage.tasks.get(task.id), undefined);
      assert.equal(await stage.tasks.get('foreign.1.0.train.f1'), undefined);
      assert.equal((await one.task()).id, task.id);
    });

    test('URLs are signed for the objects of a task that holds, and for nothing else', async () => {
      const site = await stage.site('g1');
      await stage.order('urls', ['g1'], {}, { kind: 'validate' });
      const task = await site.task();
      const put = { size: 100, digest: stage.base.digest };
      await assert.rejects(site.urls({ task: task.id, get: ['inputs.control'] }), { code: 'TASK_NO_OBJECT' });
      await assert.rejects(site.urls({ task: task.id, put }), { code: 'TASK_NO_UPDATE' });
      await assert.rejects(site.urls({ task: 'urls.1.0.train.g1', put }), { code: 'TASK_UNKNOWN' });
      await assert.rejects(site.urls({ task: 'urls.1.0.validate.g2' }), { code: 'TASK_FOREIGN' });
      await assert.rejects(site.urls({ task: task.id, get: 'all' as never }), { code: 'BAD_REQUEST' });
      assert.deepEqual(await site.send(site.done(task, site.claim(task))), { accepted: true });
      await assert.rejects(site.urls({ task: task.id, get: ['inputs.weights'] }), { code: 'TASK_ENDED' });
    });
  });
}
