import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, type BusSubscription, createIdentity, isPublicKey } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import { natsBinaries, TestNats } from '../support/nats-servers.js';

/** Subscribes and waits until the server knows. */
async function answering(bus: Bus, ...args: Parameters<Bus['respond']>): Promise<BusSubscription> {
  const subscription = bus.respond(...args);
  await bus.flush();
  return subscription;
}

for (const binary of natsBinaries) {
  describe(`bus on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let nats: TestNats;
    let service: Bus;
    let client: Bus;

    before(async () => {
      nats = await TestNats.start(binary);
      service = await nats.service('hub-1');
      client = await nats.client('site-a');
    });
    after(() => nats.stop());

    test('a client asks and a service answers, though the service has no right on its inbox', async () => {
      const stop = await answering(service, 'consilium.up.hub-1.*.sync', ({ subject, value }) => ({
        subject,
        value,
      }));
      const answer = await client.request('consilium.up.hub-1.site-a.sync', { n: 1, text: 'ü' });
      assert.deepEqual(answer, { subject: 'consilium.up.hub-1.site-a.sync', value: { n: 1, text: 'ü' } });
      await stop.stop();
    });

    test('an error of the service arrives as the same error', async () => {
      const stop = await answering(service, 'consilium.up.hub-1.*.result', () => {
        throw new ConsiliumError('SESSION_NOT_FOUND', 'No session "x".', {
          where: 'session',
          fix: 'Look again.',
        });
      });
      await assert.rejects(client.request('consilium.up.hub-1.site-a.result', {}), (error) => {
        assert.ok(error instanceof ConsiliumError);
        assert.equal(error.code, 'SESSION_NOT_FOUND');
        assert.equal(error.detail, 'No session "x".');
        assert.equal(error.where, 'session');
        assert.equal(error.fix, 'Look again.');
        return true;
      });
      await stop.stop();
    });

    test('a bug in a handler is answered as INTERNAL and the service goes on', async () => {
      let calls = 0;
      const stop = await answering(service, 'consilium.up.hub-1.*.urls', () => {
        calls += 1;
        if (calls === 1) throw new TypeError('oops');
        return 'fine';
      });
      await assert.rejects(client.request('consilium.up.hub-1.site-a.urls', {}), {
        code: 'INTERNAL',
        detail: 'oops',
      });
      assert.equal(await client.request('consilium.up.hub-1.site-a.urls', {}), 'fine');
      await stop.stop();
    });

    test('bytes that are no JSON are answered as BUS_BAD_MESSAGE and reach no handler', async () => {
      let reached = false;
      const stop = await answering(service, 'consilium.up.hub-1.*.hello', () => {
        reached = true;
      });
      const raw = await client.connection.request('consilium.up.hub-1.site-a.hello', '{"half": ', {
        timeout: 2_000,
      });
      assert.equal(raw.headers?.get('Consilium-Error'), 'BUS_BAD_MESSAGE');
      assert.equal(reached, false);
      await stop.stop();
    });

    test('a request that nobody answers says at once that nobody listens', async () => {
      await assert.rejects(client.request('consilium.up.hub-9.site-a.sync', {}, { timeout: 60_000 }), {
        code: 'BUS_NO_RESPONDER',
        where: 'consilium.up.hub-9.site-a.sync',
      });
    });

    test('a request that is answered too late fails with BUS_TIMEOUT', async () => {
      const stop = await answering(service, 'consilium.up.hub-1.*.complete', () => sleep(600, 'late'));
      await assert.rejects(client.request('consilium.up.hub-1.site-a.complete', {}, { timeout: 200 }), {
        code: 'BUS_TIMEOUT',
      });
      await stop.stop();
    });

    test('a message larger than the server takes is refused before it is sent', async () => {
      const value = 'x'.repeat(2 * 1024 * 1024);
      await assert.rejects(client.request('consilium.up.hub-1.site-a.sync', value), {
        code: 'BUS_TOO_LARGE',
      });
      assert.throws(() => client.publish('consilium.up.hub-1.site-a.event', value), {
        code: 'BUS_TOO_LARGE',
      });
    });

    test('with concurrency 1 messages are handled in the order they were sent', async () => {
      const seen: unknown[] = [];
      const stop = service.subscribe(
        'consilium.up.hub-1.*.event',
        async ({ value }) => {
          if (value === 0) await sleep(50);
          seen.push(value);
        },
        { concurrency: 1 },
      );
      await service.flush();
      for (let i = 0; i < 5; i += 1) client.publish('consilium.up.hub-1.site-a.event', i);
      await client.flush();
      await sleep(150);
      await stop.stop();
      assert.deepEqual(seen, [0, 1, 2, 3, 4]);
    });

    test('drain lets a running handler answer before it closes', async () => {
      const other = await nats.service('hub-2');
      let entered: () => void = () => undefined;
      const running = new Promise<void>((resolve) => {
        entered = resolve;
      });
      other.respond('consilium.up.hub-2.*.sync', async () => {
        entered();
        await sleep(100);
        return 'done';
      });
      await other.flush();
      const answer = client.request('consilium.up.hub-2.site-a.sync', {});
      await running;
      await other.drain();
      assert.equal(await answer, 'done');
      assert.equal(other.state, 'closed');
      await assert.rejects(other.request('consilium.up.hub-1.x.sync', {}), { code: 'BUS_CLOSED' });
    });

    test('an identity whose JWT was not signed by the account is refused for good', async () => {
      const stranger = createIdentity('account');
      const identity = createIdentity('user');
      const forged = nats.clientJwt.call(
        { bootstrap: { account: nats.bootstrap.account, accountSigningKey: stranger } } as never,
        'site-a',
        identity,
      );
      const failed = nats.client('site-a', { identity, jwt: () => forged });
      await assert.rejects(failed, { code: 'BUS_DENIED' });
    });

    test('a refusal by whoever gives the JWT is passed on and not retried', async () => {
      let asked = 0;
      const failed = nats.client('site-a', {
        jwt: () => {
          asked += 1;
          throw new ConsiliumError('TRUST_UNAUTHENTICATED', 'The client was removed.');
        },
      });
      await assert.rejects(failed, { code: 'TRUST_UNAUTHENTICATED' });
      assert.equal(asked, 1);
    });

    test('a server that is not there is reported with its address after the time given', async () => {
      const failed = nats.client('site-a', { servers: 'nats://127.0.0.1:9', firstConnectTimeout: 300 });
      await assert.rejects(failed, { code: 'BUS_UNAVAILABLE', where: 'nats://127.0.0.1:9' });
    });

    test('bootstrapping the same folder again keeps every key', async () => {
      const { operator, account, systemAccount } = nats.bootstrap;
      assert.ok([operator, account, systemAccount].every(isPublicKey));
      await nats.kill();
      await nats.restart();
      assert.deepEqual(
        [operator, account, systemAccount],
        [nats.bootstrap.operator, nats.bootstrap.account, nats.bootstrap.systemAccount],
      );
    });
  });
}
