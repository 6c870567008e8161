import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, type BusStatus, createIdentity, openKv } from '@consilium/platform';
import type { ConsiliumError } from '@consilium/protocol';
import { natsBinaries, TestNats } from '../support/nats-servers.js';

function nextStatus(bus: Bus, type: BusStatus['type']): Promise<void> {
  return new Promise((resolve) => {
    const stop = bus.onStatus((status) => {
      if (status.type !== type) return;
      stop();
      resolve();
    });
  });
}

for (const binary of natsBinaries) {
  describe(`reconnection on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let nats: TestNats;

    before(async () => {
      nats = await TestNats.start(binary);
    });
    after(() => nats.stop());

    test('with a JWT of two seconds every request is answered for three lives of it', async () => {
      const service = await nats.service('hub-1');
      service.respond('consilium.up.hub-1.*.sync', ({ value }) => value);
      await service.flush();
      let fetched = 0;
      const identity = createIdentity('user');
      const client = await nats.client('site-a', {
        identity,
        jwt: async () => {
          fetched += 1;
          return nats.clientJwt('site-a', identity, 2_000);
        },
      });
      let connections = 1;
      client.onStatus((status) => {
        if (status.type === 'connected') connections += 1;
        assert.notEqual(status.type, 'denied');
      });
      for (let n = 0; n < 60; n += 1) {
        assert.equal(await client.request('consilium.up.hub-1.site-a.sync', n), n);
        await sleep(100);
      }
      assert.ok(connections >= 3, `${connections} connections`);
      assert.ok(fetched >= connections, `${fetched} JWTs for ${connections} connections`);
      await client.close();
      await service.close();
    });

    test('when the server cuts an expired JWT, the bus comes back with a fresh one and hears again', async () => {
      const service = await nats.service('hub-1');
      const identity = createIdentity('user');
      let fetched = 0;
      const client = await nats.client('site-c', {
        identity,
        // It claims ten minutes, so the bus does not renew early; the server's clock decides.
        jwt: () => {
          fetched += 1;
          return nats.clientJwt('site-c', identity, fetched === 1 ? 2_000 : 600_000);
        },
        now: () => Date.now() - 3_600_000,
      });
      const heard: unknown[] = [];
      client.subscribe('consilium.down.site-c.>', ({ value }) => void heard.push(value));
      await nextStatus(client, 'connected');
      assert.equal(fetched, 2);
      await client.flush();
      service.publish('consilium.down.site-c.tasks', 'after');
      await service.flush();
      await client.flush();
      assert.deepEqual(heard, ['after']);
      await client.close();
      await service.close();
    });

    test('after kill -9 of the server state is kept, subscriptions resume and what waited is sent', async () => {
      const service = await nats.service('hub-1');
      const client = await nats.client('site-a');
      const kv = await openKv<{ round: number }>(service, { name: 'rounds' });
      const revision = await kv.put('s1', { round: 7 });
      service.respond('consilium.up.hub-1.*.sync', ({ value }) => value);
      const events: unknown[] = [];
      service.subscribe('consilium.up.hub-1.*.event', ({ value }) => void events.push(value));
      await service.flush();
      const lost = [nextStatus(service, 'disconnected'), nextStatus(client, 'disconnected')];
      await nats.kill();
      await Promise.all(lost);
      assert.equal(client.state, 'disconnected');
      client.publish('consilium.up.hub-1.site-a.event', 'said while away');
      const asked = client.request('consilium.up.hub-1.site-a.sync', 'asked while away', { timeout: 20_000 });
      asked.catch(() => undefined);
      await nextStatus(client, 'retrying');
      const serviceBack = service.ready();
      await nats.restart();
      await serviceBack;
      await service.flush();
      // A client that is back before the service finds nobody and is told so; then it asks again.
      const ask = (): Promise<unknown> =>
        client.request('consilium.up.hub-1.site-a.sync', 'asked while away');
      const answer = await asked.catch((error: unknown) => {
        assert.equal((error as ConsiliumError).code, 'BUS_NO_RESPONDER');
        return ask();
      });
      assert.equal(answer, 'asked while away');
      assert.deepEqual((await kv.get('s1'))?.value, { round: 7 });
      assert.ok((await kv.update('s1', { round: 8 }, revision)) > revision);
      client.publish('consilium.up.hub-1.site-a.event', 'said afterwards');
      await client.flush();
      await service.flush();
      assert.equal(events.at(-1), 'said afterwards');
      await client.close();
      await service.close();
    });

    test('a request whose connection dies before the answer is sent again, unless told not to', async () => {
      const service = await nats.service('hub-3');
      const client = await nats.client('site-a');
      let calls = 0;
      service.respond('consilium.up.hub-3.*.sync', async () => {
        calls += 1;
        if (calls <= 2) await sleep(60_000, undefined, { ref: false });
        return calls;
      });
      await service.flush();
      const again = client.request('consilium.up.hub-3.site-a.sync', {}, { timeout: 20_000 });
      const once = client.request('consilium.up.hub-3.site-a.sync', {}, { timeout: 20_000, resend: false });
      const failed = assert.rejects(once, { code: 'BUS_UNAVAILABLE' });
      await client.flush();
      await client.connection.reconnect();
      await failed;
      assert.equal(await again, 3);
      await client.close();
      await service.close();
    });

    test('while the server is away, ready fails after the time given and names the reason', async () => {
      const client = await nats.client('site-a');
      const lost = nextStatus(client, 'disconnected');
      await nats.kill();
      await lost;
      await assert.rejects(client.ready(300), { code: 'BUS_UNAVAILABLE', detail: /refused/ });
      await assert.rejects(client.request('consilium.up.hub-1.site-a.sync', {}, { timeout: 300 }), {
        code: 'BUS_UNAVAILABLE',
      });
      await client.close();
      assert.equal(client.state, 'closed');
      await nats.restart();
    });
  });
}
