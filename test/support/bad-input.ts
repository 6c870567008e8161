import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createIdentity } from '@consilium/platform';
import { errorTable } from '@consilium/protocol';
import { collect, writeNpz } from '@consilium/tensor';
import { anyNats } from './nats-servers.js';
import { type RawMember, rawPackage } from './raw-archives.js';
import { type Answer, ReducerStage } from './reducer-stage.js';

/** One kind of bad input to the API. */
export interface BadInput {
  readonly what: string;
  /** The one code that it gets. */
  readonly code: string;
  readonly ask: (stage: ReducerStage) => Promise<Answer>;
  /** What the detail or the place must say. */
  readonly says?: RegExp;
}

export const publisher = createIdentity('user');
export const program: RawMember = { path: 'train.sh', content: 'exit 0\n' };
/** `demo` 1.0.0, which is published on every stage. */
export const goodPackage = rawPackage(publisher, [program]);

/** An npz of one vector `w`. */
export function vector(values: readonly number[]): Promise<Uint8Array> {
  const data = Float32Array.from(values);
  return collect(writeNpz([{ name: 'w', dtype: 'float32', shape: [data.length], data }]));
}
/** Digest and size of `vector([1, 2, 3])`, which is uploaded on every stage. */
export const seed = { digest: '', size: 0 };

/** Uploads an archive (where there is one) and asks for its registration. */
export function publish(pack: { archive?: Uint8Array; manifest: unknown }) {
  return async (stage: ReducerStage): Promise<Answer> => {
    if (pack.archive !== undefined) await stage.upload(pack.archive);
    return stage.admin('POST', '/packages', { body: { manifest: pack.manifest } });
  };
}

/** Two sessions: `taken` waits for clients, `ended` was stopped. */
async function prepare(stage: ReducerStage): Promise<void> {
  assert.equal((await publish(goodPackage)(stage)).status, 201);
  Object.assign(seed, await stage.upload(await vector([1, 2, 3])));
  for (const name of ['taken', 'ended']) {
    const spec = { name, package: { name: 'demo', version: '1.0.0' } };
    assert.equal((await stage.admin('POST', '/sessions', { body: { spec, seed } })).status, 201);
  }
  assert.equal((await stage.admin('POST', '/sessions/ended/stop')).status, 200);
  for (let state = ''; state !== 'stopped'; ) {
    state = ((await stage.admin('GET', '/sessions/ended')).body as { state: string }).state;
  }
  // It says once what it waits for; from then on nothing moves by itself.
  for (let reason: unknown = null; reason === null; ) {
    reason = ((await stage.admin('GET', '/sessions/taken')).body as { reason: unknown }).reason;
  }
}

/** Every case gets its one code, says something useful, and leaves KV and store as they were. */
export function refuses(title: string, cases: readonly BadInput[]): void {
  describe(`${title}, nats-server ${anyNats.version}`, { skip: anyNats.skip }, () => {
    let stage: ReducerStage;
    before(async () => {
      stage = await ReducerStage.start(anyNats);
      await prepare(stage);
    });
    after(() => stage?.stop());

    for (const { what, code, ask, says } of cases) {
      test(`${what}: ${code}, and nothing changes`, async () => {
        assert.ok(Object.hasOwn(errorTable, code), 'the code is in the error table');
        const earlier = await stage.traces();
        const answer = await ask(stage);
        assert.equal(answer.code, code, JSON.stringify(answer.body).slice(0, 500));
        assert.equal(answer.status, errorTable[code as keyof typeof errorTable].http);
        const { detail, where, fix } = answer.body as { detail: string; where?: string; fix: string };
        assert.ok(fix.length > 0 && detail.length > 0);
        if (says !== undefined) assert.match(`${detail} ${where}`, says);
        const now = await stage.traces();
        assert.deepEqual(now.keys, earlier.keys);
        assert.deepEqual(lasting(now.objects), lasting(earlier.objects));
      });
    }

    test('after all of that the API serves as before', async () => {
      assert.equal((await stage.call('GET', '/health')).status, 200);
      const { body } = await stage.admin('GET', '/sessions');
      assert.deepEqual((body as { id: string }[]).map(({ id }) => id).sort(), ['ended', 'taken']);
      assert.equal(({} as { epochs?: number }).epochs, undefined, 'the prototype of objects is as it was');
    });
  });
}

/** What was uploaded lies in the anteroom under its digest until it is used or collected. */
function lasting(objects: readonly string[]): string[] {
  return objects.filter((object) => !object.startsWith('consilium-work/uploads/'));
}
