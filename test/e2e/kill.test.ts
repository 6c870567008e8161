import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { clientViewSchema } from '@consilium/protocol';
import { z } from 'zod';
import { Federation } from '../support/federation.js';
import { assertWhole, contributors, gatePackage, gateSites, isAtWork } from '../support/gate.js';
import { anyNats } from '../support/nats-servers.js';
import { processesOf, skipProcesses } from '../support/processes.js';
import type { Site } from '../support/site.js';

const everyone = ['site-1', 'site-2', 'site-3', 'site-4'];
const rounds = 4;

/**
 * Each session has two moments at which a process is killed. In round 2, two updates have arrived and two sites
 * still train. In round 3, everything is aggregated and two sites still validate.
 */
describe('kill -9 in the middle of a round', { skip: skipProcesses || anyNats.skip }, () => {
  let federation: Federation;
  let sites: Site[];
  before(async () => {
    federation = await Federation.start({ combiners: 2, natsServer: anyNats.path! });
    await federation.publish(gatePackage);
    sites = await gateSites(federation, 4);
    for (const site of sites) await site.start();
  });
  after(() => federation?.close());

  /** Declares a session whose sites 3 and 4 wait at both moments. */
  async function start(session: string, settings: readonly string[] = []): Promise<void> {
    for (const site of sites.slice(2)) {
      await site.hold('train', 2);
      await site.hold('validate', 3);
    }
    const all = [`rounds=${rounds}`, 'clients_required=4', 'quorum=3', 'round_deadline=120'];
    await federation.startSession(session, 'gate', [...all, ...settings]);
  }

  /** Waits until sites 3 and 4 are at work, and the others have delivered. */
  async function moment(session: string, kind: 'train' | 'validate', round: number): Promise<void> {
    for (const name of ['site-3', 'site-4']) {
      await federation.event(session, `${name} works on ${kind} ${round}`, isAtWork(name, kind, round));
    }
    for (const name of ['site-1', 'site-2']) {
      await federation.event(session, `${name} has delivered ${kind} ${round}`, (event) => {
        const { event: what, round: of } = event;
        return what === 'client.result' && event.client === name && event.kind === kind && of === round;
      });
    }
  }

  const release = (kind: 'train' | 'validate') => Promise.all(sites.map((site) => site.release(kind)));

  for (const name of [
    'nats-server',
    'nats-wrapper',
    'store-server',
    'reducer-1',
    'combiner-1',
    'combiner-2',
  ]) {
    test(`${name} dies twice: the session finishes, and every update counts once`, async () => {
      const session = `without-${name}`;
      await start(session);
      await moment(session, 'train', 2);
      const first = await federation.kill(name);
      // The sites finish while it is away.
      await release('train');
      await federation.restarted(name, first);

      await moment(session, 'validate', 3);
      const second = await federation.kill(name);
      await federation.restarted(name, second);
      // The sites finish after it has come back.
      await release('validate');

      const result = await assertWhole(federation, session, rounds);
      assert.deepEqual(contributors(result), [everyone, everyone, everyone, everyone]);
      const validated = result.models.at(-1)!.manifest.content.validation.map(({ claim }) => claim.client);
      assert.deepEqual(validated, everyone);
      assert.equal(processesOf(federation.dir).filter((seen) => seen.name === 'nats-server').length, 1);
    });
  }

  test('a client dies: the round closes by its deadline without it, and it takes part again later', async () => {
    const session = 'without-a-client';
    await start(session, ['round_deadline=8', 'clients_required=3']);
    await moment(session, 'train', 2);
    const [, , third, fourth] = sites as [Site, Site, Site, Site];
    await fourth.end('SIGKILL');
    await federation.until('no task outlives its client', async () =>
      processesOf(federation.dir).every(({ args }) => !args.join(' ').includes(`${fourth.home}/`)),
    );
    await third.release('train');
    await federation.event(session, 'model 2 is committed', (event) => {
      return event.event === 'model.committed' && event.number === 2;
    });
    await fourth.release('train');
    await fourth.release('validate');
    await fourth.start();
    await federation.until('site-4 is connected', async () => {
      const clients = await federation.api.get('/clients', z.array(clientViewSchema));
      return clients.find(({ client }) => client === 'site-4')?.connected;
    });
    await third.release('validate');
    const result = await assertWhole(federation, session, rounds);
    const made = contributors(result);
    assert.deepEqual(made[0], everyone);
    assert.deepEqual(made[1], ['site-1', 'site-2', 'site-3']);
    assert.deepEqual(made[3], everyone);
    const absences = result.models[2]!.manifest.content.absences.filter(({ kind }) => kind === 'train');
    assert.deepEqual(
      absences.map(({ client }) => client),
      ['site-4'],
    );
  });

  test('a client dies while it validates and is started at once: nothing waits for the deadline', async () => {
    const session = 'client-back-at-once';
    await start(session);
    await release('train');
    await moment(session, 'validate', 3);
    const fourth = sites[3]!;
    await fourth.end('SIGKILL');
    await release('validate');
    await fourth.start();
    const result = await assertWhole(federation, session, rounds);
    assert.deepEqual(contributors(result), [everyone, everyone, everyone, everyone]);
    const validated = result.models[3]!.manifest.content.validation.map(({ claim }) => claim.client);
    assert.deepEqual(validated, everyone);
  });
});
