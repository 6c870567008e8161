import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import {
  type BusStatus,
  connectBus,
  createIdentity,
  createLogger,
  loadIdentity,
  pushAccountJwt,
  revokeUsers,
} from '@consilium/platform';
import { natsBinaries, TestNats } from '../support/nats-servers.js';

const log = createLogger({ service: 'test', level: 'silent', pretty: false });

for (const binary of natsBinaries) {
  describe(`revocation on nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let nats: TestNats;
    before(async () => {
      nats = await TestNats.start(binary);
    });
    after(() => nats.stop());

    test('a revoked client is cut off at once and cannot come back, also after a restart; others stay', async () => {
      const identity = createIdentity('user');
      const jwt = nats.clientJwt('site-a', identity);
      const revoked = await nats.client('site-a', { identity, jwt: () => jwt });
      const other = await nats.client('site-b');
      const othersStatus: BusStatus['type'][] = [];
      other.onStatus((status) => othersStatus.push(status.type));
      const denied = new Promise<void>((resolve) => {
        revoked.onStatus((status) => status.type === 'denied' && resolve());
      });

      const { systemCredsFile, operatorSigningKeyFile, accountJwtFile } = nats.bootstrap;
      const revoker = await connectBus({
        servers: nats.url,
        creds: await readFile(systemCredsFile, 'utf8'),
        inboxPrefix: '_INBOX_revoker',
        name: 'revoker',
        log,
      });
      const signing = await loadIdentity(operatorSigningKeyFile);
      const account = revokeUsers(
        await readFile(accountJwtFile, 'utf8'),
        [identity.publicKey],
        signing,
        Date.now() + 1_000,
      );
      await pushAccountJwt(revoker, account);
      await denied;
      assert.deepEqual(othersStatus, []);
      await assert.rejects(nats.client('site-a', { identity, jwt: () => jwt }), { code: 'BUS_DENIED' });
      await revoker.close();

      // The bootstrap preloads the account of its files; the server keeps the newer one.
      await nats.kill();
      await nats.restart();
      await other.ready();
      await assert.rejects(nats.client('site-a', { identity, jwt: () => jwt }), { code: 'BUS_DENIED' });
      await revoked.close();
    });
  });
}
