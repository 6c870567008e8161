import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity, digestOf } from '@consilium/platform';
import { buckets, objectKeys, type Report, type SessionEvent, type SessionRecord } from '@consilium/protocol';
import { storeTrail, verifySession } from '@consilium/trail';
import type { PackageRegistry, RegisteredPackage } from '../registry/registry.js';
import {
  closePhase,
  modelBytes,
  putObject,
  putPackage,
  reduceHere,
  silent,
  spec,
  start,
} from '../testing/fixtures.js';
import { MemoryKv } from '../testing/memory-kv.js';
import { MemoryStore } from '../testing/memory-store.js';
import { prepareCommit, writeHeads } from './commit.js';
import { createSession } from './create.js';
import { phaseOf } from './machine.js';
import { type StepDeps, step } from './step.js';

class Crash extends Error {}

const sites = ['anna', 'bert', 'cleo'];
const keys = new Map(sites.map((name) => [name, createIdentity('user')]));
const site = (name: string) => ({
  identity: keys.get(name)!,
  value: sites.indexOf(name) + 0.1,
  examples: 10 * (sites.indexOf(name) + 1),
});

/** A session of two rounds with two combiners, whose stores can fail at any write. */
class World {
  readonly store = new MemoryStore();
  readonly sessions = new MemoryKv<SessionRecord>();
  readonly identity = createIdentity('user');
  readonly events: SessionEvent[] = [];
  readonly #reports = new Map<string, Map<string, Report>>();
  #clock = start;
  writes = 0;

  get writer() {
    return { store: this.store.asStore, identity: this.identity };
  }

  now = () => {
    this.#clock += 1000;
    return this.#clock;
  };

  /** Throws before or after the write of this number, once; -1 never. */
  failAt(number: number, when: 'before' | 'after'): void {
    this.writes = 0;
    const fault = (at: 'before' | 'after', what: string) => {
      if (at === 'before') this.writes += 1;
      if (at === when && this.writes === number) throw new Crash(`${when} ${what}`);
    };
    this.store.fault = fault;
    this.sessions.fault = fault;
  }

  async create(): Promise<void> {
    const seed = await modelBytes([0, 0]);
    await putObject(this.store, buckets.work, objectKeys.upload(digestOf(seed)), seed);
    const ref = await putPackage(this.store, Buffer.from('archive'), Buffer.from('manifest'));
    const content = { config: { type: 'object' }, entry: { train: ['x'], validate: ['x'] } };
    const registered = { ref, manifest: { content } } as unknown as RegisteredPackage;
    const registry = { get: async () => registered } as unknown as PackageRegistry;
    const deps = { ...this, writer: this.writer, registry, publish: () => undefined };
    const request = { spec: spec({ rounds: 2, selection: { metric: 'accuracy', direction: 'maximize' } }) };
    await createSession(deps, { ...request, seed: { digest: digestOf(seed), size: seed.length } }, 'tester');
  }

  /** Steps until the session has ended, as one life of a reducer does. */
  async live(): Promise<void> {
    for (let steps = 0; steps < 50; steps += 1) {
      const current = await this.sessions.get('s');
      assert.ok(current);
      await this.#settle(current.value);
      const reports = await this.#reportsOf(current.value);
      const next = await step(this.#deps(reports), current);
      if (next === undefined) return;
    }
    assert.fail('the session does not end');
  }

  async #settle(record: SessionRecord): Promise<void> {
    await writeHeads(this.writer, record, new Date(this.now()).toISOString());
  }

  #deps(reports: ReadonlyMap<string, Report>): StepDeps {
    const clients = sites.map((client, i) => ({ client, combiner: i === 0 ? 'one' : 'two' }));
    return {
      sessions: this.sessions,
      writer: this.writer,
      observe: () => ({ now: this.now(), clients, combiners: ['one', 'two'], reports }),
      reduce: reduceHere(this.store),
      publish: (event) => void this.events.push(event),
      log: silent,
    };
  }

  /** Combiners are others' lives: they work on, and what they wrote stays. */
  async #reportsOf(record: SessionRecord): Promise<Map<string, Report>> {
    const phase = phaseOf(record);
    if (phase === undefined) return new Map();
    const key = JSON.stringify([phase, record.epoch]);
    const fault = this.store.fault;
    this.store.fault = () => undefined;
    const reports = this.#reports.get(key) ?? (await closePhase(this.store, record, site));
    this.store.fault = fault;
    this.#reports.set(key, reports);
    return reports;
  }

  verify() {
    return verifySession(storeTrail(this.store.asStore), 's', { key: this.identity.publicKey });
  }

  folders(): string[] {
    const models = [...this.store.objects.keys()].filter((key) => key.startsWith('consilium-models/trail/'));
    return [...new Set(models.map((key) => key.split('/')[3]!))].sort();
  }
}

async function ended(world: World): Promise<void> {
  const record = (await world.sessions.get('s'))?.value;
  assert.equal(record?.state, 'finished');
  assert.equal(record?.head.number, 2);
  assert.equal(record?.best?.number, 2);
  assert.equal(record?.attempt, 0, 'no round was tried twice');
  const result = await world.verify();
  assert.deepEqual(result.findings, []);
  assert.equal(result.recomputed, 2);
  assert.equal(result.models.length, 3);
}

async function untroubled(): Promise<World> {
  const world = new World();
  world.failAt(-1, 'before');
  await world.create();
  world.failAt(-1, 'before');
  await world.live();
  await ended(world);
  return world;
}

test('a session of two rounds over two combiners ends with a trail that verifies', async () => {
  const world = await untroubled();
  assert.equal(world.folders().length, 3);
  const committed = world.events.filter(({ event }) => event === 'model.committed');
  assert.deepEqual(
    committed.map((event) => ('num_examples' in event ? event.num_examples : 0)),
    [60, 60],
  );
});

test('killed before or after any one write, the next reducer ends the session with one model a round', async () => {
  const { writes } = await untroubled();
  assert.ok(writes >= 15, `${writes} writes were seen`);
  for (let number = 1; number <= writes; number += 1) {
    for (const when of ['before', 'after'] as const) {
      const world = new World();
      await world.create();
      world.failAt(number, when);
      let crash = '';
      await world.live().catch((error: Error) => {
        if (!(error instanceof Crash)) throw error;
        crash = error.message;
      });
      assert.notEqual(crash, '', `write ${number} was reached`);
      world.failAt(-1, 'before');
      await world.live();
      await ended(world);
      assert.equal(world.folders().length, 3, `${crash}: one model a round`);
    }
  }
});

test('killed before or after any write of its creation, a session can be created again', async () => {
  const first = new World();
  first.failAt(-1, 'before');
  await first.create();
  for (let number = 1; number <= first.writes; number += 1) {
    for (const when of ['before', 'after'] as const) {
      const world = new World();
      world.failAt(number, when);
      await assert.rejects(world.create(), Crash);
      world.failAt(-1, 'before');
      const exists = (await world.sessions.get('s')) !== undefined;
      if (exists) await assert.rejects(world.create(), { code: 'SESSION_EXISTS' });
      else await world.create();
      await world.live();
      await ended(world);
    }
  }
});

test('preparing a commit twice gives the same model and the same bytes', async () => {
  const world = new World();
  await world.create();
  world.failAt(-1, 'before');
  let committing: SessionRecord | undefined;
  world.sessions.fault = (when) => {
    const record = world.sessions.stored.get('s')?.value;
    if (when === 'before' && record?.state === 'committing') {
      committing ??= structuredClone(record);
      throw new Crash('before the commit');
    }
  };
  await assert.rejects(world.live(), Crash);
  assert.ok(committing);
  const again = await prepareCommit(world.writer, committing);
  const once = await prepareCommit(world.writer, committing);
  assert.equal(again.model.head.id, once.model.head.id);
  assert.equal(again.model.head.manifest_digest, once.model.head.manifest_digest);
  assert.equal(world.folders().length, 2);
});

test('of two reducers that commit the same round one wins and the model is the same', async () => {
  const world = new World();
  await world.create();
  world.failAt(-1, 'before');
  const stop = () => {
    if (world.sessions.stored.get('s')?.value.state === 'committing') throw new Crash('both are here');
  };
  world.sessions.fault = (when) => when === 'before' && stop();
  await assert.rejects(world.live(), Crash);
  world.sessions.fault = () => undefined;
  const outcomes = await Promise.allSettled([world.live(), world.live()]);
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  for (const { reason } of refused) assert.equal((reason as { code?: string }).code, 'BUS_CONFLICT');
  await world.live();
  await ended(world);
  assert.equal(world.folders().length, 3);
});
