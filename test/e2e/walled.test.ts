import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ApiClient } from '@consilium/cli';
import { httpDispatcher } from '@consilium/platform';
import { combinerViewSchema } from '@consilium/protocol';
import { z } from 'zod';
import { makeCertificates, skipCertificates, type TestCertificates } from '../support/certificates.js';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.js';
import { Federation } from '../support/federation.js';
import { assertWhole, contributors, gatePackage, gateSites } from '../support/gate.js';
import { type Gateway, type GatewayTargets, startGateway } from '../support/gateway.js';
import { makeNamespace, type Namespace } from '../support/namespace.js';
import { anyNats } from '../support/nats-servers.js';
import { skipProcesses } from '../support/processes.js';

/** A name that only the proxy can resolve. */
const name = 'consilium.alliance.test';

interface ServiceConfig {
  readonly store: Record<string, unknown>;
  readonly nats: Record<string, unknown>;
}

describe('hospitals behind a CONNECT proxy, with one TLS address of a private authority', {
  skip: anyNats.skip || skipCertificates || skipProcesses,
}, () => {
  let federation: Federation;
  let tls: TestCertificates;
  let gateway: Gateway;
  let network: Namespace;
  let proxy: ConnectProxy;
  before(async () => {
    federation = await Federation.start({ combiners: 2, natsServer: anyNats.path! });
    tls = makeCertificates(name);
    const ports = await readFile(join(federation.dir, 'ports.json'), 'utf8');
    gateway = await startGateway(tls, JSON.parse(ports) as GatewayTargets);
    network = makeNamespace();
    proxy = await startConnectProxy({ [name]: '127.0.0.1' }, network.host);
    await tellOneAddress();
    // Engineers come the same way.
    const dispatcher = httpDispatcher({ proxy: proxy.url, caFile: tls.caFile });
    const { token } = federation;
    federation.api = new ApiClient({ url: `https://${name}:${gateway.port}`, token }, dispatcher);
    await federation.publish(gatePackage);
  });
  after(async () => {
    await federation?.close();
    await proxy?.close();
    network?.remove();
    await gateway?.close();
    if (tls !== undefined) await rm(tls.dir, { recursive: true, force: true });
  });

  /** As an operator configures services behind a gateway; the supervisor starts them again with it. */
  async function tellOneAddress(): Promise<void> {
    for (const service of ['reducer-1', 'combiner-1', 'combiner-2']) {
      const file = join(federation.dir, 'config', `${service}.json`);
      const config = JSON.parse(await readFile(file, 'utf8')) as ServiceConfig;
      config.store.publicUrl = `https://${name}:${gateway.port}`;
      if (service === 'reducer-1') config.nats.client_servers = [`wss://${name}:${gateway.port}/nats`];
      await writeFile(file, JSON.stringify(config));
      await federation.restarted(service, await federation.kill(service));
    }
    await federation.until('the reducer answers', async () => {
      return (await federation.api.get('/combiners', z.array(combinerViewSchema))).length === 2;
    });
  }

  test('join, train and validate, and reach nothing but the proxy', async () => {
    const settings = { url: `https://${name}:${gateway.port}`, proxy: proxy.url, ca_file: tls.caFile };
    const sites = await gateSites(federation, 2, settings);
    await Promise.all(sites.map((site) => site.start(network.under)));
    await federation.startSession('walled', 'gate', ['rounds=2', 'clients_required=2', 'quorum=2']);
    const made = contributors(await assertWhole(federation, 'walled', 2));
    assert.deepEqual(made, [
      ['site-1', 'site-2'],
      ['site-1', 'site-2'],
    ]);
    assert.deepEqual([...gateway.seen].sort(), ['api', 'nats', 'store']);
    assert.deepEqual([...new Set(proxy.tunnels)], [`${name}:${gateway.port}`]);
  });

  test('come back when every tunnel is cut in the middle of a round', async () => {
    for (const site of federation.sites) await site.hold('train', 1);
    await federation.startSession('cut', 'gate', ['rounds=2', 'clients_required=2', 'quorum=2']);
    await federation.event('cut', 'site-1 trains', (event) => event.event === 'client.progress');
    proxy.cut();
    for (const site of federation.sites) await site.release('train');
    const made = contributors(await assertWhole(federation, 'cut', 2));
    assert.deepEqual(made[1], ['site-1', 'site-2']);
  });
});
