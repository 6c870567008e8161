import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { clientViewSchema, type SessionEvent } from '@consilium/protocol';
import { z } from 'zod';
import { breastPackage, breastSites } from '../support/breast-fna.js';
import { Federation } from '../support/federation.js';
import { assertWhole, contributors } from '../support/gate.js';
import { anyNats } from '../support/nats-servers.js';
import type { Site } from '../support/site.js';

const everyone = ['site-1', 'site-2', 'site-3', 'site-4'];
const committed = (number: number) => (event: SessionEvent) =>
  event.event === 'model.committed' && event.number === number;

describe('hospitals that come and go', { skip: anyNats.skip }, () => {
  let federation: Federation;
  let sites: Site[];
  before(async () => {
    federation = await Federation.start({ natsServer: anyNats.path! });
    await federation.publish(breastPackage);
    sites = await breastSites(federation);
    await Promise.all(sites.map((site) => site.start()));
  });
  after(() => federation?.close());

  const connected = async () => {
    const clients = await federation.api.get('/clients', z.array(clientViewSchema));
    return clients.filter((client) => client.connected).map(({ client }) => client);
  };

  test('a client that is stopped says so, and takes part again after it was started', async () => {
    const second = sites[1]!;
    const settings = ['rounds=3', 'clients_required=4', 'quorum=3', 'round_deadline=60'];
    await federation.startSession('comings-and-goings', 'breast-fna', settings);
    await federation.event('comings-and-goings', 'model 1 is committed', committed(1));
    assert.equal(await second.end('SIGTERM'), 0);
    await second.start();
    const made = contributors(await assertWhole(federation, 'comings-and-goings', 3));
    assert.deepEqual([made[0], made[2]], [everyone, everyone]);
    assert.deepEqual(await connected(), everyone);
  });

  test('a client whose data is damaged reports why with its log tail, stays, and is back once it is repaired', async () => {
    const fourth = sites[3]!;
    const file = join(fourth.data, 'train.csv');
    await copyFile(file, `${file}.good`);
    await writeFile(file, 'mean radius\nthis is not a number\n');
    const settings = ['rounds=2', 'clients_required=4', 'quorum=3', 'round_deadline=60'];
    await federation.startSession('damaged', 'breast-fna', settings);
    const result = await assertWhole(federation, 'damaged', 2);
    const others = everyone.slice(0, 3);
    assert.deepEqual(contributors(result), [others, others]);
    const absences = result.models[1]!.manifest.content.absences;
    assert.deepEqual(
      absences.map(({ client, kind, code }) => ({ client, kind, code })),
      [{ client: 'site-4', kind: 'train', code: 'PKG_TASK_FAILED' }],
    );
    const events = await federation.events('damaged');
    const failed = events.find((event) => event.event === 'client.failed' && event.client === 'site-4');
    assert.ok(failed?.event === 'client.failed');
    assert.match(`${failed.detail}\n${failed.log_tail}`, /train\.csv/);
    assert.notEqual(failed.log_tail.trim(), '');
    assert.equal(fourth.client?.child.exitCode, null);
    assert.deepEqual(await connected(), everyone);

    await copyFile(`${file}.good`, file);
    await federation.startSession('repaired', 'breast-fna', ['rounds=1', 'clients_required=4', 'quorum=4']);
    assert.deepEqual(contributors(await assertWhole(federation, 'repaired', 1)), [everyone]);
  });
});
