import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createIdentity, decodeJwt } from '@consilium/platform';
import {
  type EnrolReply,
  oldestProtocolVersion,
  productVersion,
  protocolVersion,
  reducerHub,
  subjects,
} from '@consilium/protocol';
import { anyNats } from '../support/nats-servers.js';
import { type Answer, ReducerStage } from '../support/reducer-stage.js';

describe(`enrolment, nats-server ${anyNats.version}`, { skip: anyNats.skip }, () => {
  let stage: ReducerStage;
  let count = 0;
  const fresh = () => `site-${++count}`;
  before(async () => {
    stage = await ReducerStage.start(anyNats);
  });
  after(() => stage?.stop());

  /** Refused with this code, and neither client nor token has changed. */
  async function refused(code: string, ask: () => Promise<Answer>, detail?: RegExp): Promise<void> {
    const before = await stage.traces();
    const answer = await ask();
    assert.equal(answer.code, code, JSON.stringify(answer.body));
    if (detail !== undefined) assert.match((answer.body as { detail: string }).detail, detail);
    assert.deepEqual(await stage.traces(), before);
  }

  test('a site gets a JWT for its own key that opens its own subjects for ten minutes', async () => {
    const name = fresh();
    const { identity, reply } = await stage.site(name);
    const claims = decodeJwt(reply.jwt, 'jwt');
    assert.equal(claims.sub, identity.publicKey);
    const minutes = (Date.parse(reply.jwt_expires_at) - Date.now()) / 60_000;
    assert.ok(minutes > 9 && minutes <= 10, `${minutes}`);
    assert.equal(reply.reducer_key, stage.reducers[0]!.publicKey);
    const bus = await stage.nats.client(name, { identity, jwt: () => reply.jwt });
    await bus.flush();
  });

  test('the same key may use its token again, as after a crash', async () => {
    const [name, identity] = [fresh(), createIdentity('user')];
    const token = await stage.joinToken(name);
    for (const _ of [1, 2, 3]) {
      assert.equal((await stage.enrol(stage.enrolment(token, name, identity))).status, 200);
    }
  });

  test('twenty requests at once with one token and one key all succeed; with twenty keys one does', async () => {
    const [name, identity] = [fresh(), createIdentity('user')];
    const token = await stage.joinToken(name);
    const same = Array.from({ length: 20 }, () => stage.enrol(stage.enrolment(token, name, identity)));
    assert.deepEqual(new Set((await Promise.all(same)).map(({ status }) => status)), new Set([200]));
    const [other, second] = [fresh(), await stage.joinToken()];
    const rivals = Array.from({ length: 20 }, () =>
      stage.enrol(stage.enrolment(second, other, createIdentity('user'))),
    );
    const answers = await Promise.all(rivals);
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const { status, code } of answers) if (status !== 200) assert.equal(code, 'TRUST_TOKEN_USED');
  });

  test('two tokens for one name: the second key is refused', async () => {
    const name = fresh();
    await stage.site(name);
    const token = await stage.joinToken(name);
    const body = stage.enrolment(token, name, createIdentity('user'));
    await refused('TRUST_NAME_TAKEN', () => stage.enrol(body));
  });

  test('another key cannot use a token that was used', async () => {
    const name = fresh();
    const token = await stage.joinToken(name);
    assert.equal((await stage.enrol(stage.enrolment(token, name, createIdentity('user')))).status, 200);
    const body = stage.enrolment(token, name, createIdentity('user'));
    await refused('TRUST_TOKEN_USED', () => stage.enrol(body), new RegExp(`used by ${name}`));
  });

  test('one key is one site: it cannot enrol under a second name', async () => {
    const { identity } = await stage.site(fresh());
    const name = fresh();
    const token = await stage.joinToken(name);
    await refused('TRUST_KEY_ENROLLED', () => stage.enrol(stage.enrolment(token, name, identity)));
  });

  test('an expired, an unknown and a malformed token are refused', async () => {
    const [name, identity] = [fresh(), createIdentity('user')];
    const old = await stage.joinToken(name, 1e-9);
    await refused('TRUST_BAD_JOIN_TOKEN', () => stage.enrol(stage.enrolment(old, name, identity)), /expired/);
    const unknown = `cjt_${'z'.repeat(43)}`;
    await refused(
      'TRUST_BAD_JOIN_TOKEN',
      () => stage.enrol(stage.enrolment(unknown, name, identity)),
      /unknown/,
    );
    await refused('BAD_REQUEST', () => stage.enrol(stage.enrolment('cjt_short', name, identity)));
  });

  test('a token for one name is void for another', async () => {
    const token = await stage.joinToken(fresh());
    const body = stage.enrolment(token, fresh(), createIdentity('user'));
    await refused('TRUST_WRONG_NAME', () => stage.enrol(body));
  });

  test('a proof of another key, of another token or of another name is void', async () => {
    const [name, identity] = [fresh(), createIdentity('user')];
    const token = await stage.joinToken(name);
    const proofOf = (body: object) => (body as { proof: string }).proof;
    for (const proof of [
      proofOf(stage.enrolment(token, name, createIdentity('user'))),
      proofOf(stage.enrolment(await stage.joinToken(name), name, identity)),
      proofOf(stage.enrolment(token, 'other', identity)),
      'A'.repeat(86),
    ]) {
      const body = stage.enrolment(token, name, identity, { proof });
      await refused('TRUST_BAD_SIGNATURE', () => stage.enrol(body));
    }
  });

  test('a key that only looks like one is refused', async () => {
    const name = fresh();
    const token = await stage.joinToken(name);
    const body = stage.enrolment(token, name, createIdentity('user'), { key: `U${'A'.repeat(55)}` });
    await refused('TRUST_BAD_KEY', () => stage.enrol(body));
  });

  test('a client of another protocol is told both versions', async () => {
    const [name, identity] = [fresh(), createIdentity('user')];
    const token = await stage.joinToken(name);
    for (const protocol of [oldestProtocolVersion - 1, protocolVersion + 1]) {
      const body = stage.enrolment(token, name, identity, { protocol, version: '9.9.9' });
      const both = new RegExp(`9\\.9\\.9.*protocol ${protocol}; .*${productVersion.replaceAll('.', '\\.')}`);
      await refused('TRUST_VERSION', () => stage.enrol(body), both);
    }
    const site = await stage.site(fresh());
    await refused('TRUST_VERSION', () => stage.renew(site.identity, site.reply.client, { protocol: 99 }));
  });

  test('a fresh JWT is for the key that signed, under its own name', async () => {
    const { identity, reply } = await stage.site(fresh());
    const answer = await stage.renew(identity, reply.client);
    assert.equal(answer.status, 200);
    const renewed = answer.body as EnrolReply;
    assert.equal(decodeJwt(renewed.jwt, 'jwt').sub, identity.publicKey);
    const other = await stage.site(fresh());
    await refused('TRUST_WRONG_NAME', () => stage.renew(identity, other.reply.client));
  });

  test('a key that has not enrolled gets nothing', async () => {
    await refused('TRUST_UNKNOWN_CLIENT', () => stage.renew(createIdentity('user'), 'site-1'));
  });

  test('a request that is sent twice counts once', async () => {
    const { identity, reply } = await stage.site(fresh());
    const again = { nonce: 'n'.repeat(22), time: Date.now() };
    assert.equal((await stage.renew(identity, reply.client, again)).status, 200);
    await refused('TRUST_REPLAY', () => stage.renew(identity, reply.client, again));
  });

  test('a request signed too early or too late says that the clocks differ', async () => {
    const { identity, reply } = await stage.site(fresh());
    for (const minutes of [-6, 6]) {
      const time = Date.now() + minutes * 60_000;
      await refused('TRUST_CLOCK_SKEW', () => stage.renew(identity, reply.client, { time }), /clocks are/);
    }
  });

  test('who was shut out gets no JWT, cannot enrol again, and is not greeted', async () => {
    const name = fresh();
    const token = await stage.joinToken(name);
    const identity = createIdentity('user');
    assert.equal((await stage.enrol(stage.enrolment(token, name, identity))).status, 200);
    const bus = await stage.nats.client(name, { identity });
    assert.equal((await stage.admin('POST', `/clients/${name}/revoke`)).status, 204);
    assert.equal((await stage.admin('POST', `/clients/${name}/revoke`)).status, 204, 'twice is no error');
    await refused('TRUST_REVOKED', () => stage.renew(identity, name));
    await refused('TRUST_REVOKED', () => stage.enrol(stage.enrolment(token, name, identity)));
    const capabilities = { sdk: '0', node: '0', isolation: 'none', accelerator: 'cpu' };
    const hello = {
      protocol: protocolVersion,
      version: productVersion,
      client: name,
      instance: 'instance-1',
      capabilities,
    };
    await assert.rejects(bus.request(subjects.up(reducerHub, name, 'hello'), hello), {
      code: 'TRUST_REVOKED',
    });
    await refused('CLIENT_NOT_FOUND', () => stage.admin('POST', '/clients/nobody/revoke'));
  });
});
