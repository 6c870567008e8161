import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity, digestOf } from '@consilium/platform';
import { buckets, objectKeys, type SessionRecord, type SessionSpecInput } from '@consilium/protocol';
import { collect, writeNpz } from '@consilium/tensor';
import type { PackageRegistry, RegisteredPackage } from '../registry/registry.js';
import { modelBytes, putObject, putPackage, spec } from '../testing/fixtures.js';
import { MemoryKv } from '../testing/memory-kv.js';
import { MemoryStore } from '../testing/memory-store.js';
import { createSession, resolveSpec } from './create.js';

const config = {
  type: 'object',
  properties: { epochs: { type: 'integer', minimum: 1, default: 3 } },
  additionalProperties: false,
};
function registered(change: object = {}): RegisteredPackage {
  const content = { config, entry: { train: ['x'], validate: ['x'] }, ...change };
  return { manifest: { content } } as unknown as RegisteredPackage;
}
const metrics = { primary: 'auc', maximize: true };
const off = { fraction: 0, minimum: 0 };

test('what the package decides is written out: config defaults and the primary metric', () => {
  const resolved = resolveSpec(spec(), registered({ metrics }));
  assert.deepEqual(resolved.config, { epochs: 3 });
  assert.deepEqual(resolved.selection, { metric: 'auc', direction: 'maximize' });
  const down = resolveSpec(spec(), registered({ metrics: { primary: 'loss', maximize: false } }));
  assert.deepEqual(down.selection, { metric: 'loss', direction: 'minimize' });
});

test('a selection of the declaration wins over that of the package', () => {
  const selection = { metric: 'loss', direction: 'minimize' as const };
  assert.deepEqual(resolveSpec(spec({ selection }), registered({ metrics })).selection, selection);
});

test('without evaluation there is no selection, and validate is not needed', () => {
  const resolved = resolveSpec(spec({ evaluation: off }), registered({ metrics, entry: { train: ['x'] } }));
  assert.equal(resolved.selection, undefined);
});

for (const [what, input, change, where] of [
  ['a package that cannot train', {}, { entry: { validate: ['x'] } }, 'package'],
  ['evaluation by a package that cannot validate', {}, { entry: { train: ['x'] } }, 'package'],
  [
    'selection without evaluation',
    { evaluation: off, selection: { metric: 'auc', direction: 'maximize' } },
    {},
    'selection, evaluation',
  ],
  ['training by nobody', { training: off }, {}, 'training'],
] as [string, Partial<SessionSpecInput>, object, string][]) {
  test(`${what} is refused as impossible`, () => {
    assert.throws(() => resolveSpec(spec(input), registered(change)), { code: 'SESSION_IMPOSSIBLE', where });
  });
}

test('evaluation is off only when both of its numbers are 0', () => {
  const entry = { train: ['x'] };
  for (const evaluation of [
    { fraction: 0, minimum: 1 },
    { fraction: 0.5, minimum: 0 },
  ]) {
    assert.throws(() => resolveSpec(spec({ evaluation }), registered({ entry })), {
      code: 'SESSION_IMPOSSIBLE',
    });
  }
});

test('a config that does not fit the schema of the package is refused', () => {
  for (const bad of [{ epochs: 0 }, { epochs: 'many' }, { epoch: 3 }]) {
    assert.throws(() => resolveSpec(spec({ config: bad }), registered()), { code: 'PKG_BAD_CONFIG' });
  }
});

async function world() {
  const store = new MemoryStore();
  const sessions = new MemoryKv<SessionRecord>();
  const ref = await putPackage(store, Buffer.from('a'), Buffer.from('m'));
  const registry = { get: async () => ({ ...registered(), ref }) } as unknown as PackageRegistry;
  const deps = {
    sessions,
    registry,
    writer: { store: store.asStore, identity: createIdentity('user') },
    publish: () => undefined,
    now: () => 0,
  };
  const create = async (bytes: Uint8Array, stated: Uint8Array = bytes) => {
    await putObject(store, buckets.work, objectKeys.upload(digestOf(stated)), bytes);
    const seed = { digest: digestOf(stated), size: stated.length };
    return createSession(deps, { spec: spec(), seed }, 'tester');
  };
  const nothing = () => {
    assert.deepEqual(sessions.stored.size, 0);
    const models = [...store.objects.keys()].filter((key) => key.startsWith(buckets.models));
    assert.deepEqual(models, []);
  };
  return { store, sessions, deps, create, nothing };
}

for (const [what, bytes] of [
  ['no npz at all', async () => Buffer.from('hello')],
  ['an npz without parameters', async () => collect(writeNpz([]))],
  ['a tensor without elements', async () => modelBytes([])],
  ['a weight that is not a number', async () => modelBytes([1, Number.NaN])],
  ['an infinite weight', async () => modelBytes([Number.POSITIVE_INFINITY])],
] as const) {
  test(`a seed with ${what} is refused and leaves nothing`, async () => {
    const { create, nothing } = await world();
    await assert.rejects(create(await bytes()), { code: 'SESSION_BAD_SEED', where: 'seed' });
    nothing();
  });
}

test('a seed that was not uploaded, and one of another size, are refused', async () => {
  const { deps, create, nothing } = await world();
  const seed = { digest: digestOf(Buffer.from('x')), size: 5 };
  await assert.rejects(createSession(deps, { spec: spec(), seed }, 'x'), { code: 'SESSION_BAD_SEED' });
  const model = await modelBytes([1]);
  await assert.rejects(create(model, Buffer.from('shorter')), { code: 'SESSION_BAD_SEED' });
  nothing();
});

test('a seed whose bytes are not those of its digest is refused, although the store kept it', async () => {
  const { create, nothing } = await world();
  await assert.rejects(create(await modelBytes([1]), await modelBytes([2])), { code: 'SESSION_BAD_SEED' });
  nothing();
});

test('a name whose trail is there is refused even when the record is lost', async () => {
  const { sessions, create } = await world();
  const model = await modelBytes([1]);
  await create(model);
  await assert.rejects(create(model), { code: 'SESSION_EXISTS' });
  await sessions.delete('s');
  await assert.rejects(create(model), { code: 'SESSION_EXISTS', where: 'name' });
  assert.equal(sessions.stored.size, 0);
});
