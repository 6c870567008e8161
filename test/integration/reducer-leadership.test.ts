import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseCombinerConfig, type RunningCombiner, startCombiner } from '@consilium/combiner';
import { createIdentity, createLogger, openKv } from '@consilium/platform';
import { kvBuckets, type Order, type SessionView } from '@consilium/protocol';
import { storeTrail, verifySession } from '@consilium/trail';
import { goodPackage, publish, vector } from '../support/bad-input.js';
import { eventually } from '../support/combiner-stage.js';
import { HandClient } from '../support/hand-client.js';
import { natsBinaries } from '../support/nats-servers.js';
import { ReducerStage } from '../support/reducer-stage.js';

const silent = createLogger({ service: 'test', level: process.env.TEST_LOG ?? 'silent', pretty: false });

for (const binary of natsBinaries) {
  describe(`two reducers, nats-server ${binary.version}`, { skip: binary.skip }, () => {
    let stage: ReducerStage;
    const combiners: RunningCombiner[] = [];
    const sites: HandClient[] = [];
    const work = new AbortController();
    const working: Promise<void>[] = [];

    before(async () => {
      stage = await ReducerStage.start(binary, 2);
      for (const name of ['north', 'south']) {
        const config = parseCombinerConfig(
          {
            combiner: name,
            nats: { servers: [stage.nats.url], creds_file: stage.credsOf(name) },
            store: stage.storeConfig,
            temp_dir: `${stage.dir}/${name}`,
            sync_seconds: 1,
          },
          'test',
        );
        combiners.push(await startCombiner(config, { log: silent }));
      }
      for (const [index, name] of ['anna', 'bert', 'cleo'].entries()) {
        const { identity } = await stage.site(name, createIdentity('user'));
        const bus = await stage.nats.client(name, { identity });
        const site = new HandClient(name, identity, index === 0 ? 'north' : 'south', bus, stage.dir);
        sites.push(site);
        working.push(serve(site, index + 1, work.signal));
      }
      assert.equal((await publish(goodPackage)(stage)).status, 201);
    });
    after(async () => {
      work.abort();
      await Promise.allSettled(working);
      for (const combiner of combiners) await combiner.stop();
      await stage?.stop();
    });

    async function declare(name: string, change: object = {}): Promise<void> {
      const seed = await stage.upload(await vector([0, 0]));
      const spec = {
        name,
        package: { name: 'demo', version: '1.0.0' },
        clients_required: 3,
        quorum: 3,
        ...change,
      };
      const answer = await stage.admin('POST', '/sessions', { body: { spec, seed } });
      assert.equal(answer.status, 201, JSON.stringify(answer.body));
    }
    const view = async (name: string) => (await stage.admin('GET', `/sessions/${name}`)).body as SessionView;
    const ended = (name: string) =>
      eventually(`${name} has ended`, async () => {
        const session = await view(name);
        assert.notEqual(session.state, 'paused', session.reason ?? '');
        return ['finished', 'stopped', 'failed'].includes(session.state) ? session : undefined;
      });

    async function hasGoodTrail(name: string, models: number): Promise<void> {
      const key = stage.reducers[0]!.publicKey;
      const result = await verifySession(storeTrail(stage.store), name, { key });
      assert.deepEqual(result.findings, []);
      assert.deepEqual(result.orphans, []);
      assert.equal(result.models.length, models);
      const numbers = result.models.slice(1).map(({ manifest }) => manifest.content.num_examples);
      assert.ok(
        numbers.every((number) => number === 60),
        'every site counts once in every round',
      );
    }

    const leaders = () => stage.reducers.filter((reducer) => reducer.isLeader());

    test('one of them leads, both answer, and the session ends with one model a round', async () => {
      await eventually('one leads', async () => leaders().length === 1);
      await declare('first', { rounds: 3 });
      assert.equal((await ended('first')).state, 'finished');
      assert.equal(leaders().length, 1);
      await hasGoodTrail('first', 4);
      for (const { url } of stage.reducers) {
        const headers = { authorization: `Bearer ${stage.adminToken}` };
        const answer = await fetch(`${url}/api/v1/sessions/first/models`, { headers });
        assert.equal(((await answer.json()) as unknown[]).length, 4);
      }
    });

    test('what a round needed is removed after it, in KV and in the store', async () => {
      await eventually('reports and tasks are gone', async () => {
        for (const { name } of [kvBuckets.reports, kvBuckets.tasks, kvBuckets.orders]) {
          const keys = await (await openKv(stage.bus, { name })).keys();
          if (keys.some((key) => key.includes('first'))) return false;
        }
        return true;
      });
      const { objects } = await stage.traces();
      const left = objects.filter((key) =>
        /consilium-work\/(partials|reports|candidates)\/first\//.test(key),
      );
      assert.deepEqual(left, []);
    });

    test('when the leader stops in the middle of a session the other takes over', async () => {
      await declare('second', { rounds: 6 });
      await eventually('it has begun', async () => (await view('second')).head.number >= 2);
      const [leader] = leaders();
      assert.ok(leader);
      stage.reducers.splice(stage.reducers.indexOf(leader), 1);
      await leader.stop();
      await eventually('the other leads', async () => stage.reducers[0]!.isLeader());
      assert.equal((await ended('second')).state, 'finished');
      await hasGoodTrail('second', 7);
    });

    test('a stop during validation commits the round with what has arrived, and then stops', async () => {
      // `cleo` never answers the validation of this session.
      await declare('slow-check', { rounds: 5, round_deadline: 3600 });
      const orders = await openKv<Order>(stage.bus, { name: kvBuckets.orders.name });
      await eventually('it validates', async () => (await view('slow-check')).state === 'validating');
      assert.equal((await stage.admin('POST', '/sessions/slow-check/stop')).status, 200);
      const session = await ended('slow-check');
      assert.deepEqual([session.state, session.head.number], ['stopped', 1]);
      await hasGoodTrail('slow-check', 2);
      await eventually('no order stands', async () =>
        (await orders.keys()).every((key) => !key.includes('slow-check')),
      );
    });

    test('a stop during training leaves no order and no model', async () => {
      await declare('no-quorum', { rounds: 5, clients_required: 3, quorum: 3, config: { epochs: 99 } });
      await eventually('it trains', async () => (await view('no-quorum')).state === 'training');
      assert.equal((await stage.admin('POST', '/sessions/no-quorum/stop')).status, 200);
      const session = await ended('no-quorum');
      assert.deepEqual([session.state, session.head.number], ['stopped', 0]);
      const orders = await openKv<Order>(stage.bus, { name: kvBuckets.orders.name });
      await eventually('no order stands', async () => (await orders.keys()).length === 0);
      await hasGoodTrail('no-quorum', 1);
    });

    test('a record that cannot be read stops no other session', async () => {
      const sessions = await openKv(stage.bus, { name: kvBuckets.sessions.name });
      await sessions.put('damaged', { schema: 99, from: 'the future' });
      await declare('beside', { rounds: 1 });
      assert.equal((await ended('beside')).state, 'finished');
      const { status, body } = await stage.admin('GET', '/sessions');
      assert.equal(status, 200);
      assert.ok((body as SessionView[]).some(({ id }) => id === 'beside'));
      await sessions.delete('damaged');
    });

    test('what a leader that died left in KV is removed by the next', async () => {
      const reports = await openKv(stage.bus, { name: kvBuckets.reports.name });
      const tasks = await openKv(stage.bus, { name: kvBuckets.tasks.name });
      await reports.put('north.first.1.0.train', {});
      await tasks.put('first.1.0.train.anna', {});
      await tasks.put('unknown.1.0.train.anna', {});
      for (const reducer of stage.reducers.splice(0)) await reducer.stop();
      await stage.startReducer('reducer-1');
      await eventually('they are gone', async () => {
        const keys = [...(await reports.keys()), ...(await tasks.keys())];
        return keys.length === 1 && keys[0] === 'unknown.1.0.train.anna';
      });
    });

    test('a reducer with another key than that of the trail does not start', async () => {
      const change = { key_file: `${stage.dir}/new.nk` };
      await assert.rejects(stage.startReducer('reducer-2', { change }), { code: 'TRUST_OTHER_REDUCER_KEY' });
    });

    test('a reducer can be stopped while NATS is away', async () => {
      work.abort();
      await Promise.allSettled(working);
      for (const combiner of combiners.splice(0)) await combiner.stop();
      await stage.nats.kill();
      for (const reducer of stage.reducers.splice(0)) await reducer.stop();
    });
  });
}

/** Trains and validates whatever holds, until the signal. Values say which site and round they are of. */
async function serve(site: HandClient, value: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for (const task of await site.sync()) {
        if (task.config.epochs === 99) continue;
        if (task.kind === 'train') {
          await site.train(task, await vector([value, value * task.round]), value * 10);
        } else if (!(task.session === 'slow-check' && site.name === 'cleo')) {
          const claim = site.claim(task, {
            num_examples: value * 10,
            metrics: { accuracy: task.round / 10 },
          });
          await site.send(site.done(task, claim));
        }
      }
    } catch {
      // A combiner that restarts, or a phase that has closed: the next sync says what holds.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
