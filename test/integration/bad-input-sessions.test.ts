import type { SessionSpecInput } from '@consilium/protocol';
import { collect, writeNpz } from '@consilium/tensor';
import { type BadInput, refuses, seed, vector } from '../support/bad-input.js';
import type { ReducerStage } from '../support/reducer-stage.js';

const digest = `sha256:${'a'.repeat(64)}`;
const spec = { name: 'one', package: { name: 'demo', version: '1.0.0' } };

function declare(change: Partial<SessionSpecInput> & Record<string, unknown>, more: object = {}) {
  return (stage: ReducerStage) =>
    stage.admin('POST', '/sessions', { body: { spec: { ...spec, ...change }, seed, ...more } });
}

const sessions: BadInput[] = [
  { what: 'no rounds', code: 'SESSION_BAD_SPEC', ask: declare({ rounds: 0 }), says: /spec\.rounds/ },
  { what: 'half a round', code: 'SESSION_BAD_SPEC', ask: declare({ rounds: 1.5 }) },
  { what: 'rounds as text', code: 'SESSION_BAD_SPEC', ask: declare({ rounds: '5' as never }) },
  { what: 'an unknown field', code: 'SESSION_BAD_SPEC', ask: declare({ round: 5 }), says: /round/ },
  {
    what: 'an unknown strategy',
    code: 'SESSION_BAD_SPEC',
    ask: declare({ strategy: { name: 'sgd' as never } }),
  },
  { what: 'a fraction above 1', code: 'SESSION_BAD_SPEC', ask: declare({ training: { fraction: 1.1 } }) },
  { what: 'a deadline of a year', code: 'SESSION_BAD_SPEC', ask: declare({ round_deadline: 31_536_000 }) },
  { what: 'a name with a dot', code: 'SESSION_BAD_SPEC', ask: declare({ name: 'a.b' }) },
  { what: 'a name that is a path', code: 'SESSION_BAD_SPEC', ask: declare({ name: '../../heads' }) },
  { what: 'a name that is a wildcard', code: 'SESSION_BAD_SPEC', ask: declare({ name: '>' }) },
  { what: 'a name of 64 letters', code: 'SESSION_BAD_SPEC', ask: declare({ name: 'a'.repeat(64) }) },
  { what: 'no package', code: 'SESSION_BAD_SPEC', ask: declare({ package: undefined as never }) },
  {
    what: 'a package version that is a path',
    code: 'SESSION_BAD_SPEC',
    ask: declare({ package: { name: 'demo', version: '../1' } }),
  },
  {
    what: 'a package that is not there',
    code: 'SESSION_NO_PACKAGE',
    ask: declare({ package: { name: 'other', version: '1.0.0' } }),
  },
  {
    what: 'training by nobody',
    code: 'SESSION_IMPOSSIBLE',
    ask: declare({ training: { fraction: 0, minimum: 0 } }),
  },
  {
    what: 'selection without evaluation',
    code: 'SESSION_IMPOSSIBLE',
    ask: declare({
      evaluation: { fraction: 0, minimum: 0 },
      selection: { metric: 'auc', direction: 'maximize' },
    }),
  },
  {
    what: 'a config field that the package does not have',
    code: 'PKG_BAD_CONFIG',
    ask: declare({ config: { epoch: 1 } }),
  },
  { what: 'a config value out of range', code: 'PKG_BAD_CONFIG', ask: declare({ config: { epochs: 0 } }) },
  {
    what: 'a config nested a hundred thousand deep',
    code: 'BAD_REQUEST',
    says: /64 levels/,
    ask: (stage) => {
      const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
      const raw = `{"spec":{"name":"one","package":{"name":"demo","version":"1.0.0"},"config":{"x":${deep}}},"seed":${JSON.stringify(seed)}}`;
      return stage.admin('POST', '/sessions', { raw });
    },
  },
  {
    what: 'a config that would change the prototype of objects',
    code: 'PKG_BAD_CONFIG',
    ask: (stage) => {
      const raw = `{"spec":{"name":"one","package":{"name":"demo","version":"1.0.0"},"config":{"__proto__":{"epochs":2},"constructor":1}},"seed":${JSON.stringify(seed)}}`;
      return stage.admin('POST', '/sessions', { raw });
    },
  },
  { what: 'a name that is taken', code: 'SESSION_EXISTS', ask: declare({ name: 'taken' }) },
  {
    what: 'a stop of no session',
    code: 'SESSION_NOT_FOUND',
    ask: (stage) => stage.admin('POST', '/sessions/none/stop'),
  },
  {
    what: 'a stop of a session that has ended',
    code: 'SESSION_ENDED',
    ask: (stage) => stage.admin('POST', '/sessions/ended/stop'),
  },
];

/** A seed of these bytes; the upload itself is there before and after. */
function seeded(bytes: () => Promise<Uint8Array>, change: object = {}) {
  return async (stage: ReducerStage) => {
    const uploaded = { ...(await stage.upload(await bytes())), ...change };
    return stage.admin('POST', '/sessions', { body: { spec, seed: uploaded } });
  };
}
const cut = async () => (await vector([1, 2, 3])).subarray(0, -20);
const flipped = async () => {
  const bytes = Buffer.from(await vector([1, 2, 3]));
  bytes[140]! ^= 1;
  return bytes;
};

const seeds: BadInput[] = [
  {
    what: 'a seed that was not uploaded',
    code: 'SESSION_BAD_SEED',
    ask: declare({}, { seed: { digest, size: 1 } }),
  },
  {
    what: 'a seed of a stated size that it does not have',
    code: 'SESSION_BAD_SEED',
    ask: seeded(() => vector([1]), { size: 7 }),
  },
  {
    what: 'a seed that is text',
    code: 'SESSION_BAD_SEED',
    ask: seeded(async () => Buffer.from('hello')),
    says: /NPZ_NOT_ZIP/,
  },
  { what: 'a seed that is cut off', code: 'SESSION_BAD_SEED', ask: seeded(cut), says: /NPZ_/ },
  { what: 'a seed with a changed bit', code: 'SESSION_BAD_SEED', ask: seeded(flipped), says: /NPZ_|AGG_/ },
  {
    what: 'a seed with NaN',
    code: 'SESSION_BAD_SEED',
    ask: seeded(() => vector([Number.NaN])),
    says: /AGG_NOT_FINITE/,
  },
  {
    what: 'a seed without tensors',
    code: 'SESSION_BAD_SEED',
    ask: seeded(() => collect(writeNpz([]))),
    says: /no parameters/,
  },
  {
    what: 'a seed whose digest is none',
    code: 'BAD_REQUEST',
    ask: declare({}, { seed: { digest: 'md5:1', size: 1 } }),
    says: /seed\.digest/,
  },
];

refuses('bad declarations of sessions', sessions);
refuses('bad seed models', seeds);
