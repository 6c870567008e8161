import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { createIdentity, type Identity } from '@consilium/platform';
import type { Access, GuardedRoute } from '@consilium/reducer';
import { anyNats } from '../support/nats-servers.js';
import { ReducerStage } from '../support/reducer-stage.js';

/** Who calls, and up to which access they get through. */
const callers = [
  'no token',
  'garbage token',
  'viewer',
  'engineer',
  'admin',
  'client',
  'revoked client',
] as const;
type Caller = (typeof callers)[number];

/** What the door says; undefined: it opens. */
const door: Record<Exclude<Access, 'open'>, Partial<Record<Caller, number>>> = {
  viewer: { 'no token': 401, 'garbage token': 401, client: 401, 'revoked client': 401 },
  engineer: { 'no token': 401, 'garbage token': 401, client: 401, 'revoked client': 401, viewer: 403 },
  admin: {
    'no token': 401,
    'garbage token': 401,
    client: 401,
    'revoked client': 401,
    viewer: 403,
    engineer: 403,
  },
  client: {
    'no token': 401,
    'garbage token': 401,
    viewer: 401,
    engineer: 401,
    admin: 401,
    'revoked client': 403,
  },
};

/** Every route and who may call it, by hand: a route that is new or changes its rule has to be changed here. */
const rules: Record<string, Access> = {
  'GET /health': 'open',
  'GET /ready': 'open',
  'GET /metrics': 'open',
  'GET /api/v1/info': 'open',
  'POST /api/v1/enrol': 'open',
  'POST /api/v1/renew': 'client',
  'GET /api/v1/whoami': 'viewer',
  'GET /api/v1/clients': 'viewer',
  'GET /api/v1/combiners': 'viewer',
  'GET /api/v1/packages': 'viewer',
  'GET /api/v1/packages/:name/:version': 'viewer',
  'GET /api/v1/sessions': 'viewer',
  'GET /api/v1/sessions/:id': 'viewer',
  'GET /api/v1/sessions/:id/events': 'viewer',
  'GET /api/v1/sessions/:id/models': 'viewer',
  'GET /api/v1/models': 'viewer',
  'GET /api/v1/trail/objects': 'viewer',
  'POST /api/v1/trail/urls': 'viewer',
  'POST /api/v1/uploads': 'engineer',
  'POST /api/v1/uploads/complete': 'engineer',
  'POST /api/v1/packages': 'engineer',
  'POST /api/v1/sessions': 'engineer',
  'POST /api/v1/sessions/:id/stop': 'engineer',
  'GET /api/v1/users': 'admin',
  'POST /api/v1/users': 'admin',
  'POST /api/v1/users/:name/revoke': 'admin',
  'POST /api/v1/join-tokens': 'admin',
  'POST /api/v1/clients/:client/revoke': 'admin',
  'POST /api/v1/trail/gc': 'admin',
  'GET /api/v1/audit': 'admin',
};

describe(`roles at every route, nats-server ${anyNats.version}`, { skip: anyNats.skip }, () => {
  let stage: ReducerStage;
  const tokens: Partial<Record<Caller, string>> = {};
  const identities: Partial<Record<Caller, Identity>> = {};
  before(async () => {
    stage = await ReducerStage.start(anyNats);
    tokens['garbage token'] = `cat_${'x'.repeat(43)}`;
    tokens.viewer = await stage.userToken('viewer');
    tokens.engineer = await stage.userToken('engineer');
    tokens.admin = stage.adminToken;
    identities.client = (await stage.site('site-a')).identity;
    identities['revoked client'] = (await stage.site('site-r')).identity;
    assert.equal((await stage.admin('POST', '/clients/site-r/revoke')).status, 204);
  });
  after(() => stage?.stop());

  /** Routes but those of the documentation, which have no data; HEAD follows its GET. */
  const own = (): GuardedRoute[] => stage.reducers[0]!.routes.filter(({ url }) => !/^\/docs(\/|$)/.test(url));
  const nameOf = ({ method, url }: GuardedRoute): string => `${method} ${url}`;

  test('the routes of the API and their rules are those of this test', () => {
    const routes = own().filter(({ method }) => method !== 'HEAD');
    const found = Object.fromEntries(routes.map((route) => [nameOf(route), route.access]));
    assert.deepEqual(found, rules);
  });

  test('the documented table has every route with its rule', async () => {
    const page = await readFile(new URL('../../../docs/reference/api.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `([A-Z]+)` \| `([^`]+)` \| ([a-z]+) \|/gm)];
    const table = Object.fromEntries(rows.map(([, method, url, access]) => [`${method} ${url}`, access]));
    assert.deepEqual(table, rules);
  });

  async function ask(caller: Caller, { method, url }: GuardedRoute): Promise<number> {
    const path = url.replace(/:\w+/g, 'unknown-thing');
    const identity = identities[caller];
    const raw = method === 'POST' ? '{}' : undefined;
    const signature = identity === undefined ? {} : stage.signed(identity, method, path, raw);
    const { status } = await stage.call(method, path, {
      token: tokens[caller],
      headers: signature,
      ...(raw === undefined ? {} : { raw }),
    });
    return status;
  }

  for (const caller of callers) {
    test(`${caller}: every route opens or refuses as its rule says`, async () => {
      const seen = new Set<string>();
      for (const route of own()) {
        const expected = route.access === 'open' ? undefined : door[route.access][caller];
        const status = await ask(caller, route);
        seen.add(nameOf(route));
        if (expected !== undefined) assert.equal(status, expected, `${caller} at ${nameOf(route)}`);
        else assert.ok(status !== 401 && status !== 403 && status < 500, `${nameOf(route)}: ${status}`);
      }
      assert.ok(seen.size >= Object.keys(rules).length);
    });
  }

  test('a token that was revoked opens nothing', async () => {
    const token = await stage.userToken('engineer', 'leaver');
    const whoami = () => stage.call('GET', '/api/v1/whoami', { token });
    assert.equal((await whoami()).status, 200);
    assert.equal((await stage.admin('POST', '/users/leaver/revoke')).status, 204);
    assert.deepEqual([(await whoami()).status, (await whoami()).code], [401, 'TRUST_UNAUTHENTICATED']);
    assert.equal((await stage.admin('POST', '/users/nobody/revoke')).code, 'USER_NOT_FOUND');
    assert.equal((await stage.admin('POST', '/users/admin/revoke')).code, 'TRUST_LAST_ADMIN');
  });

  test('a signature of one route, method or body opens no other', async () => {
    const path = '/api/v1/renew';
    const raw = JSON.stringify({ protocol: 1, version: 'x', client: 'site-a' });
    const identity = identities.client!;
    for (const headers of [
      stage.signed(identity, 'POST', '/api/v1/enrol', raw),
      stage.signed(identity, 'GET', path, raw),
      stage.signed(identity, 'POST', `${path}?x=1`, raw),
      stage.signed(identity, 'POST', path, `${raw} `),
      { ...stage.signed(createIdentity('user'), 'POST', path, raw), 'consilium-key': identity.publicKey },
    ]) {
      assert.equal((await stage.call('POST', path, { raw, headers })).code, 'TRUST_BAD_SIGNATURE');
    }
  });

  test('tokens are stored as their hashes only', async () => {
    const join = await stage.joinToken('site-b');
    assert.equal((await stage.enrol(stage.enrolment(join, 'site-b', createIdentity('user')))).status, 200);
    const text = await stage.storedText();
    assert.ok(text.includes('site-b') && text.includes('client.enrolled'), 'the text is what is stored');
    for (const secret of [join, ...Object.values(tokens)]) {
      assert.ok(!text.includes(secret), 'the token is stored');
      assert.ok(!text.includes(secret.slice(4)), 'the token is stored without its prefix');
    }
    const { body } = await stage.admin('GET', '/audit');
    assert.equal((body as { broken_at: unknown }).broken_at, null);
  });
});
