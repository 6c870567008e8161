import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { digestOf } from '@consilium/platform';
import {
  ConsiliumError,
  clientInbox,
  objectKeys,
  subjects,
  type Task,
  type UpVerb,
} from '@consilium/protocol';
import { collect, writeNpz } from '@consilium/tensor';
import { CombinerStage, eventually, tinyModel } from '../support/combiner-stage.js';
import type { HandClient } from '../support/hand-client.js';
import { natsBinaries } from '../support/nats-servers.js';

for (const binary of natsBinaries) {
  describe(`a client that means harm, on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let stage: CombinerStage;
    before(async () => {
      stage = await CombinerStage.start(binary);
    });
    after(() => stage.stop());

    test('metrics that would break every mean they go into are refused, and the round goes on', async () => {
      const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`m${i}`, 1]));
      const bad: Record<string, Record<string, number>> = {
        m1: { loss: 1e308 },
        m2: { loss: -1e21 },
        m3: { loss: 2 ** 53 + 2 },
        m4: many,
        m5: { ['x'.repeat(101)]: 1 },
      };
      const names = Object.keys(bad);
      const sites = await stage.sites(...names, 'm0');
      const order = await stage.order('metrics', [...names, 'm0']);
      for (const site of sites) {
        const task = await site.task();
        const model = await collect(writeNpz(tinyModel([1, 1, 1], 1n)));
        const { digest, size } = await site.upload(task.id, model);
        const metrics = bad[site.name] ?? { loss: 1e15 };
        // Signed as it is: a hostile client does not care for the rules of canonical numbers.
        const claim = { ...site.claim(task, { update: digest }), metrics };
        const signed = signAnyway(site, claim);
        const reply = await site.send({ outcome: 'done', task: task.id, signed, update_size: size });
        const code = site.name === 'm0' ? undefined : 'UPDATE_BAD_METRICS';
        assert.equal(reply.error?.code, code, site.name);
      }
      assert.equal((await stage.closed(order)).results.length, 1);
    });

    test('texts without end go neither into records nor into events', async () => {
      const site = await stage.site('t1');
      const order = await stage.order('texts', ['t1']);
      const task = await site.task();
      const long = 'x'.repeat(300_000);
      site.event({ task: task.id, backend: long });
      site.event({ task: task.id, device: long });
      site.event({
        task: task.id,
        metrics: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`m${i}`, 1])),
      });
      site.event({ task: task.id, metrics: { [long]: 1 } });
      await assert.rejects(site.ask('sync', { instance: long, tasks: [] }), { code: 'BAD_REQUEST' });
      await assert.rejects(site.urls({ task: long }), { code: 'BAD_REQUEST' });
      const error = { code: long, message: '', detail: 'd', fix: '' };
      const reply = await site.send({ outcome: 'failed', task: task.id, error, log_tail: '' });
      assert.equal(reply.error?.code, 'UPDATE_BAD_CLAIM');
      const { absences } = await stage.closed(order);
      assert.ok(JSON.stringify(absences).length < 5000);
      const events = await stage.eventsOf('texts');
      assert.deepEqual(
        events.filter(({ event }) => event === 'client.progress'),
        [],
      );
      assert.ok(JSON.stringify(events).length < 10_000);
    });

    test('one task does not fill the store: its different updates are counted', async () => {
      const site = await stage.site('u1');
      await stage.order('uploads', ['u1']);
      const task = await site.task();
      const put = (i: number) =>
        site.urls({ task: task.id, put: { digest: digestOf(Buffer.from(`${i}`)), size: 100 } });
      for (let i = 0; i < 8; i++) await put(i);
      await assert.rejects(put(8), { code: 'TASK_TOO_MANY_UPLOADS' });
      await put(3);
      await assert.rejects(
        site.ask('complete', {
          task: task.id,
          digest: digestOf(Buffer.from('9')),
          size: 100,
          upload_id: 'x',
          parts: [],
        }),
        { code: 'TASK_TOO_MANY_UPLOADS' },
      );
    });

    test('a revoked client whose JWT still holds gets no tasks and no URLs', async () => {
      const site = await stage.site('r1');
      await stage.order('revoked', ['r1']);
      const task = await site.task();
      const record = await stage.clients.get('r1');
      assert.ok(record);
      await stage.clients.put('r1', { ...record.value, revoked_at: new Date().toISOString() });
      await assert.rejects(site.sync(), { code: 'TRUST_REVOKED' });
      await assert.rejects(site.urls({ task: task.id, get: ['inputs.weights'] }), { code: 'TRUST_REVOKED' });
      await assert.rejects(
        site.ask('complete', {
          task: task.id,
          digest: task.inputs.weights?.digest,
          size: 1,
          upload_id: 'x',
          parts: [],
        }),
        { code: 'TRUST_REVOKED' },
      );
    });

    test('a flood of messages costs the one who sends it, and the others are served', async () => {
      const sites = await stage.sites('f1', 'f2');
      const [hostile, other] = sites as [HandClient, HandClient];
      const order = await stage.order('flood', ['f1', 'f2']);
      const [task, theirs] = [await hostile.task(), await other.task()];
      const model = await collect(writeNpz(tinyModel([3, 3, 3], 3n)));
      const update = (await hostile.upload(task.id, model)).digest;
      const { digest, size } = await other.upload(theirs.id, model);
      const memory = await stage.combinerMemory();
      const subject = (verb: UpVerb) => subjects.up(stage.combiner, 'f1', verb);
      const send = (verb: UpVerb, value: object) =>
        hostile.bus.connection.publish(subject(verb), Buffer.from(JSON.stringify(value)), {
          reply: `${clientInbox('f1')}.flood`,
        });
      const store = stage.pauseStore();
      // One result is being looked at; others for the same task wait for it and hold their places.
      send('result', hostile.done(task, hostile.claim(task, { update }), size));
      const error = { code: 'PKG_TASK_FAILED', message: '', detail: '', fix: '' };
      for (let i = 0; i < 1500; i++)
        send('result', { outcome: 'failed', task: task.id, error, log_tail: '' });
      const padding = 'x'.repeat(900_000);
      for (const verb of ['result', 'urls', 'sync', 'complete', 'event'] as const) {
        for (let i = 0; i < 200; i++) {
          send(verb, { task: task.id, padding });
          if (i % 20 === 0) await hostile.bus.flush();
        }
      }
      await hostile.bus.flush();
      const waiting = other.send(other.done(theirs, other.claim(theirs, { update: digest }), size));
      await other.sync();
      const grown = (await stage.combinerMemory()) - memory;
      store.resume();
      assert.deepEqual(await waiting, { accepted: true });
      assert.ok(grown < 150 * 2 ** 20, `the combiner has grown by ${Math.round(grown / 2 ** 20)} MiB`);
      const { results } = await stage.closed(order);
      assert.ok(results.some(({ client }) => client === 'f2'));
    });

    test('a claim made for one task counts for no other one, whatever is kept of it', async () => {
      const site = await stage.site('p1');
      const first = await stage.order('replay', ['p1'], {}, { round: 1 });
      const { request, digest, bytes } = await site.train(await site.task(), tinyModel([1, 1, 1], 1n), 10);
      await stage.closed(first);
      for (const change of [{ round: 2 }, { round: 1, attempt: 1 }, { session: 'replay-2', round: 1 }]) {
        await stage.order(change.session ?? 'replay', ['p1'], {}, change);
        const task: Task = await eventually('the next task is there', async () =>
          (await site.sync()).find(({ id }) => id !== first.template.session && id !== request.task),
        );
        const key = objectKeys.update(task, site.name, digest);
        await stage.store.put('consilium-work', key, bytes);
        const reply = await site.send({ ...request, task: task.id });
        assert.equal(reply.error?.code, 'UPDATE_WRONG_TASK');
        await eventually('the task has ended', async () => (await site.sync()).length === 0);
      }
    });
  });
}

/** Canonical JSON refuses some numbers; for them the signature is of something else, which nobody gets to check. */
function signAnyway(site: HandClient, claim: ReturnType<HandClient['claim']>) {
  try {
    return site.sign(claim);
  } catch (error) {
    assert.ok(error instanceof ConsiliumError);
    return { ...site.sign({ ...claim, metrics: {} }), claim };
  }
}
