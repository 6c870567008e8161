import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { type Bus, httpFetch } from '@consilium/platform';
import { makeCertificates, skipCertificates, type TestCertificates } from '../support/certificates.js';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.js';
import { natsBinaries, TestNats } from '../support/nats-servers.js';

// No name server knows this name: only through the proxy can it be reached.
const HOST = 'consilium.hospital-alliance.test';

for (const binary of natsBinaries) {
  const skip = binary.skip || skipCertificates;
  describe(`WebSocket through proxy and private CA on nats-server ${binary.version}`, { skip }, () => {
    let certificates: TestCertificates;
    let nats: TestNats;
    let proxy: ConnectProxy;
    let service: Bus;
    let address: string;

    before(async () => {
      certificates = makeCertificates(HOST);
      nats = await TestNats.start(binary, { tls: certificates });
      proxy = await startConnectProxy({ [HOST]: '127.0.0.1' });
      address = `wss://${HOST}:${new URL(nats.webSocketUrl).port}/nats`;
      service = await nats.service('hub-1', {
        servers: nats.url.replace('nats://', 'tls://'),
        caFile: certificates.caFile,
      });
      service.respond('consilium.up.hub-1.*.sync', ({ value }) => value);
      await service.flush();
    });
    after(async () => {
      await nats.stop();
      await proxy.close();
      rmSync(certificates.dir, { recursive: true });
    });

    const connect = (more: object = {}): Promise<Bus> =>
      nats.client('site-a', {
        servers: address,
        caFile: certificates.caFile,
        proxy: { proxy: proxy.url, env: {} },
        firstConnectTimeout: 2_000,
        ...more,
      });

    test('a client talks through the CONNECT proxy to a server of the private authority', async () => {
      const client = await connect();
      assert.equal(await client.request('consilium.up.hub-1.site-a.sync', 'hello'), 'hello');
      assert.deepEqual([...new Set(proxy.tunnels)], [new URL(address).host]);
      await client.close();
    });

    test('HTTPS_PROXY is honoured for wss, and NO_PROXY lifts it', async () => {
      const client = await connect({ proxy: { env: { HTTPS_PROXY: proxy.url } } });
      assert.equal(await client.request('consilium.up.hub-1.site-a.sync', 1), 1);
      await client.close();
      const failed = connect({
        proxy: { env: { HTTPS_PROXY: proxy.url, NO_PROXY: '.test' } },
        firstConnectTimeout: 200,
      });
      await assert.rejects(failed, { code: 'BUS_UNAVAILABLE', detail: /ENOTFOUND|EAI_AGAIN/ });
    });

    test('without the private CA the server is not trusted', async () => {
      const failed = nats.client('site-a', {
        servers: address,
        proxy: { proxy: proxy.url, env: {} },
        firstConnectTimeout: 200,
      });
      await assert.rejects(failed, { code: 'BUS_UNAVAILABLE', detail: /certificate/ });
    });

    test('after the proxy cut the tunnel the bus comes back through it', async () => {
      const client = await connect();
      const before = proxy.tunnels.length;
      const lost = new Promise<void>((resolve) => {
        client.onStatus((status) => status.type === 'disconnected' && resolve());
      });
      proxy.cut();
      await lost;
      assert.equal(
        await client.request('consilium.up.hub-1.site-a.sync', 'again', { timeout: 20_000 }),
        'again',
      );
      assert.ok(proxy.tunnels.length > before);
      await client.close();
    });

    test('connections over TCP and WebSocket live side by side in one process and both come back', async () => {
      const client = await connect();
      const lost = (bus: Bus): Promise<void> =>
        new Promise((resolve) => {
          bus.onStatus((status) => status.type === 'disconnected' && resolve());
        });
      const both = [lost(client), lost(service)];
      await nats.kill();
      await Promise.all(both);
      await nats.restart();
      await service.ready();
      await service.flush();
      await client.ready();
      assert.equal(await client.request('consilium.up.hub-1.site-a.sync', 'after'), 'after');
      await client.close();
    });

    test('a proxy that refuses is named by its status', async () => {
      proxy.refuseWith = 407;
      await assert.rejects(connect({ firstConnectTimeout: 200 }), { code: 'BUS_UNAVAILABLE', detail: /407/ });
      proxy.refuseWith = undefined;
    });

    test('HTTP goes through the same proxy and trusts the same CA', async () => {
      const { certFile, keyFile, caFile } = certificates;
      const web = createServer(
        { cert: readFileSync(certFile), key: readFileSync(keyFile) },
        (request, response) => {
          response.end(`seen ${request.headers.host} ${request.url}`);
        },
      );
      await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
      const { port } = web.address() as { port: number };
      const fetch = httpFetch({ proxy: proxy.url, caFile, env: {} });
      const answer = await fetch(`https://${HOST}:${port}/x`);
      assert.equal(await answer.text(), `seen ${HOST}:${port} /x`);
      assert.ok(proxy.tunnels.includes(`${HOST}:${port}`));
      await assert.rejects(
        httpFetch({ proxy: proxy.url, env: {} })(`https://${HOST}:${port}/x`),
        /fetch failed/,
      );
      web.closeAllConnections();
      web.close();
    });
  });
}
