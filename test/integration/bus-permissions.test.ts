import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Bus, openKv } from '@consilium/platform';
import { natsBinaries, TestNats } from '../support/nats-servers.js';

/** Subjects that are not site-a's to subscribe to. */
const notToHear = [
  'consilium.down.site-b.tasks',
  'consilium.down.site-b.>',
  'consilium.down.*.tasks',
  'consilium.down.>',
  'consilium.up.hub-1.site-b.sync',
  'consilium.up.hub-1.*.*',
  'consilium.up.hub-1.site-a.sync',
  'consilium.event.*',
  'consilium.>',
  '_INBOX_site-b.>',
  '_INBOX_site-b.x',
  '_INBOX_S_hub-1.>',
  '_INBOX.>',
  '*.>',
  '>',
  '$JS.API.>',
  '$JS.EVENT.>',
  '$KV.>',
  '$KV.consilium_test.>',
  '$SYS.>',
];

/** Subjects that are not site-a's to publish to. */
const notToSay = [
  'consilium.up.hub-1.site-b.sync',
  'consilium.up.hub-1.site-b.result',
  'consilium.up.hub-1.site-a.deeper.sync',
  'consilium.down.site-a.tasks',
  'consilium.down.site-b.tasks',
  'consilium.event.session-1',
  'consilium.audit',
  '_INBOX_site-b.x',
  '_INBOX_S_hub-1.x',
  '$KV.consilium_test.key',
  '$SYS.REQ.CLAIMS.UPDATE',
];

/** JetStream's API: what reads, what writes, what destroys. */
const jetStreamApi = [
  '$JS.API.INFO',
  '$JS.API.STREAM.NAMES',
  '$JS.API.STREAM.INFO.KV_consilium_test',
  '$JS.API.STREAM.MSG.GET.KV_consilium_test',
  '$JS.API.DIRECT.GET.KV_consilium_test.$KV.consilium_test.key',
  '$JS.API.STREAM.CREATE.mine',
  '$JS.API.STREAM.UPDATE.KV_consilium_test',
  '$JS.API.STREAM.DELETE.KV_consilium_test',
  '$JS.API.STREAM.PURGE.KV_consilium_test',
  '$JS.API.STREAM.RESTORE.KV_consilium_test',
  '$JS.API.STREAM.SNAPSHOT.KV_consilium_test',
  '$JS.API.CONSUMER.CREATE.KV_consilium_test',
  '$JS.API.CONSUMER.MSG.NEXT.KV_consilium_test.any',
  '$SYS.REQ.USER.INFO',
  '$SYS.REQ.SERVER.PING',
];

for (const binary of natsBinaries) {
  describe(`permissions of a client on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let nats: TestNats;
    let service: Bus;
    let a: Bus;
    let b: Bus;
    const heardByService: string[] = [];
    const heardByB: string[] = [];

    before(async () => {
      nats = await TestNats.start(binary);
      service = await nats.service('hub-1');
      a = await nats.client('site-a');
      b = await nats.client('site-b');
      const kv = await openKv<string>(service, { name: 'consilium_test' });
      await kv.put('key', 'untouched');
      service.subscribe('consilium.>', ({ subject }) => void heardByService.push(subject));
      service.subscribe('_INBOX_S_hub-1.x', ({ subject }) => void heardByService.push(subject));
      b.subscribe('consilium.down.site-b.>', ({ subject }) => void heardByB.push(subject));
      b.subscribe('_INBOX_site-b.*', ({ subject }) => void heardByB.push(subject));
      await Promise.all([service.flush(), b.flush()]);
    });
    after(() => nats.stop());

    test('it may do its own: publish upwards, hear what is sent to it, get answers in its inbox', async () => {
      const mine: unknown[] = [];
      a.subscribe('consilium.down.site-a.>', ({ value }) => void mine.push(value));
      await a.flush();
      service.publish('consilium.down.site-a.tasks', 'for a');
      await service.flush();
      await a.flush();
      assert.deepEqual(mine, ['for a']);
      const answers = service.respond('consilium.up.hub-1.*.sync', () => 'yes');
      await service.flush();
      assert.equal(await a.request('consilium.up.hub-1.site-a.sync', {}), 'yes');
      await answers.stop();
    });

    for (const subject of notToHear) {
      test(`it may not subscribe to ${subject}`, async () => {
        const heard: string[] = [];
        let refusal: Error | undefined;
        a.connection.subscribe(subject, {
          callback: (error, message) => {
            if (error === null) heard.push(message.subject);
            else refusal = error;
          },
        });
        await a.flush();
        // Traffic that it would hear if it could.
        service.publish('consilium.down.site-b.tasks', 'secret');
        service.publish('consilium.event.session-1', 'secret');
        const answers = service.respond('consilium.up.hub-1.site-b.sync', () => 'secret');
        await service.flush();
        await b.request('consilium.up.hub-1.site-b.sync', 'secret');
        await answers.stop();
        await a.flush();
        assert.match(String(refusal), /permissions violation/i);
        assert.deepEqual(heard, []);
      });
    }

    for (const subject of notToSay) {
      test(`it may not publish to ${subject}`, async () => {
        heardByService.length = 0;
        heardByB.length = 0;
        const refused = new Promise<string>((resolve) => {
          const stop = a.onStatus((status) => {
            if (status.type !== 'denied') return;
            stop();
            resolve(status.detail);
          });
        });
        a.publish(subject, 'forged');
        assert.match(await refused, /permissions violation/i);
        await Promise.all([a.flush(), service.flush(), b.flush()]);
        assert.deepEqual(heardByService, []);
        assert.deepEqual(heardByB, []);
      });
    }

    for (const subject of jetStreamApi) {
      test(`it may not call ${subject}`, async () => {
        await assert.rejects(a.request(subject, {}, { timeout: 2_000 }), { code: 'BUS_DENIED' });
      });
    }

    for (const reply of [
      '_INBOX_site-b.x',
      'consilium.down.site-b.tasks',
      '$JS.API.STREAM.PURGE.KV_consilium_test',
    ]) {
      test(`it cannot make a service answer to ${reply}`, async () => {
        heardByB.length = 0;
        let reached = false;
        const answers = service.respond('consilium.up.hub-2.*.*', () => {
          reached = true;
          return {};
        });
        await service.flush();
        a.connection.publish('consilium.up.hub-2.site-a.sync', '{}', { reply });
        await a.flush();
        assert.deepEqual(await a.request('consilium.up.hub-2.site-a.urls', {}), {});
        await service.flush();
        await b.flush();
        assert.deepEqual(heardByB, []);
        assert.equal(reached, true, 'by the second, proper request');
        await answers.stop();
      });
    }

    test('a client that took the name of a service cannot hear what is answered to that service', async () => {
      const twin = await nats.client('hub-1');
      const heard: string[] = [];
      const refusals: string[] = [];
      for (const subject of [`${service.inboxPrefix}.>`, '_INBOX_hub-1.>']) {
        twin.connection.subscribe(subject, {
          callback: (error, message) =>
            void (error === null ? heard : refusals).push(message?.subject ?? subject),
        });
      }
      await twin.flush();
      const kv = await openKv<string>(service, { name: 'consilium_test' });
      assert.equal(
        (await kv.get('key'))?.value,
        'untouched',
        'an answer to the service, with a secret in it',
      );
      await twin.flush();
      assert.deepEqual(heard, []);
      assert.equal(refusals.length, 1, 'its own inbox it may hear');
      await twin.close();
    });

    test('it cannot fill the server with subscriptions', async () => {
      const c = await nats.client('site-c');
      const heard: string[] = [];
      for (let i = 0; i < 1000; i++) {
        c.connection.subscribe(`consilium.down.site-c.x${i}`, {
          callback: (error, message) => {
            if (error === null) heard.push(message.subject);
          },
        });
      }
      await c.flush();
      for (const i of [0, 999]) service.publish(`consilium.down.site-c.x${i}`, 'x');
      await service.flush();
      await c.flush();
      assert.deepEqual(heard, ['consilium.down.site-c.x0']);
    });

    test('after all of that the bucket is as it was', async () => {
      const kv = await openKv<string>(service, { name: 'consilium_test' });
      const entry = await kv.get('key');
      assert.deepEqual([entry?.value, entry?.revision], ['untouched', 1]);
      assert.deepEqual(await kv.keys(), ['key']);
    });

    test("a service may answer a client but not write into the client's inbox unasked", async () => {
      const refused = new Promise<string>((resolve) => {
        service.onStatus((status) => status.type === 'denied' && resolve(status.detail));
      });
      service.publish('_INBOX_site-b.y', 'unasked');
      assert.match(await refused, /permissions violation/i);
      await b.flush();
      assert.deepEqual(heardByB, []);
    });
  });
}
