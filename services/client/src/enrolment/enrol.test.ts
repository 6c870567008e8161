import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  createIdentity,
  httpDispatcher,
  httpFetch,
  type Identity,
  isDocumentSignedBy,
  memoryNonceCache,
  verifyRequest,
} from '@consilium/platform';
import { ConsiliumError, protocolVersion, purposes } from '@consilium/protocol';
import { Enrolment } from './enrol.js';
import { ReducerApi } from './reducer-api.js';
import { SiteRecordFile } from './site-record.js';

const TOKEN = `cjt_${'a'.repeat(43)}`;
const reducerKey = createIdentity('user').publicKey;
const otherKey = createIdentity('user').publicKey;

interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}
type Route = (request: IncomingMessage, body: string) => Answer | Promise<Answer>;

let folder = '';
let server: Server;
let url = '';
let identity: Identity;
let asked: string[] = [];
let routes: Record<string, Route> = {};
const dispatcher = httpDispatcher();

const info = (fields: object = {}): Answer => ({
  status: 200,
  body: {
    product: 'consilium',
    version: '9.9.9',
    protocol: protocolVersion,
    oldest_protocol: protocolVersion,
    reducer_key: reducerKey,
    ...fields,
  },
});
const reply = (fields: object = {}): Answer => ({
  status: 200,
  body: {
    client: 'site-a',
    jwt: 'jwt',
    jwt_expires_at: '2026-01-01T00:00:00Z',
    nats: ['nats://127.0.0.1:4222'],
    reducer_key: reducerKey,
    protocol: protocolVersion,
    version: '9.9.9',
    ...fields,
  },
});
const refusal = (status: number, code: string): Answer => ({
  status,
  body: { code, message: 'm', detail: 'why', fix: 'f' },
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consilium-enrol-'));
  identity = createIdentity('user');
  asked = [];
  routes = { '/api/v1/info': () => info(), '/api/v1/enrol': () => reply(), '/api/v1/renew': () => reply() };
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', async () => {
      asked.push(request.url ?? '');
      const route = routes[request.url ?? ''];
      const answer = (await route?.(request, body)) ?? { status: 404, body: 'nothing here' };
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

function enrolment(
  config: { token?: string; reducer_key?: string; name?: string } = { token: TOKEN },
): Enrolment {
  const fetch = httpFetch();
  const api = new ReducerApi({
    url,
    identity,
    fetch: (input, init) => fetch(input, { ...init, dispatcher }),
    now: Date.now,
  });
  const record = new SiteRecordFile(join(folder, 'enrolment.json'));
  return new Enrolment({ config: { url, name: 'site-a', ...config }, identity, api, record, now: Date.now });
}

describe('enrolment', () => {
  test('proves the key with the token, once; then the key alone suffices', async () => {
    routes['/api/v1/enrol'] = (_request, text) => {
      const { token, client, key, proof } = JSON.parse(text);
      const signature = { key, value: proof };
      assert.equal(key, identity.publicKey);
      assert.ok(
        isDocumentSignedBy(purposes.joinToken, { token, client, key }, signature, identity.publicKey),
      );
      return reply();
    };
    routes['/api/v1/renew'] = async (request, body) => {
      const bodyDigest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
      const { headers } = request;
      const nonces = memoryNonceCache(Date.now);
      const path = request.url ?? '';
      const signer = await verifyRequest({
        method: 'POST',
        path,
        bodyDigest,
        headers,
        now: Date.now(),
        nonces,
      });
      assert.equal(signer.publicKey, identity.publicKey);
      return reply();
    };
    const first = await enrolment().join();
    assert.equal(first.fresh, true);
    const second = await enrolment().join();
    assert.equal(second.fresh, false);
    const third = await enrolment({}).join();
    assert.equal(third.fresh, false);
    assert.deepEqual(asked, [
      '/api/v1/info',
      '/api/v1/enrol',
      '/api/v1/info',
      '/api/v1/renew',
      '/api/v1/info',
      '/api/v1/renew',
    ]);
  });

  test('uses the token again when the reducer does not know the key any more', async () => {
    await enrolment().join();
    routes['/api/v1/renew'] = () => refusal(401, 'TRUST_UNKNOWN_CLIENT');
    assert.equal((await enrolment().join()).fresh, true);
  });

  test('without a token and unknown, asks for one', async () => {
    routes['/api/v1/renew'] = () => refusal(401, 'TRUST_UNKNOWN_CLIENT');
    await assert.rejects(enrolment({}).join(), { code: 'CLIENT_TOKEN_NEEDED' });
  });

  test('a token that another key has used is one error that names both ways out', async () => {
    routes['/api/v1/enrol'] = () => ({
      status: 403,
      body: new ConsiliumError('TRUST_TOKEN_USED', 'why').toBody(),
    });
    await assert.rejects(enrolment().join(), (error: { code: string; fix: string }) => {
      assert.equal(error.code, 'TRUST_TOKEN_USED');
      assert.match(
        error.fix,
        /state folder that holds its first key, or ask the operator for a new join token/,
      );
      return true;
    });
  });

  test('a reducer with another key than before gets neither token nor signature', async () => {
    await enrolment().join();
    asked = [];
    routes['/api/v1/info'] = () => info({ reducer_key: otherKey });
    await assert.rejects(enrolment().join(), (error: { code: string; detail: string }) => {
      assert.equal(error.code, 'CLIENT_REDUCER_CHANGED');
      assert.ok(error.detail.includes(otherKey) && error.detail.includes(reducerKey));
      return true;
    });
    assert.deepEqual(asked, ['/api/v1/info']);
    // The person at the site decides.
    routes['/api/v1/renew'] = () => reply({ reducer_key: otherKey });
    await enrolment({ reducer_key: otherKey }).join();
    await enrolment({}).join();
  });

  test('a key in client.yaml is demanded from the first moment on', async () => {
    const strict = enrolment({ token: TOKEN, reducer_key: otherKey });
    await assert.rejects(strict.join(), { code: 'CLIENT_REDUCER_CHANGED' });
    assert.deepEqual(asked, ['/api/v1/info']);
  });

  test('versions that do not fit are one error that names both, before the token is sent', async () => {
    const newer = { protocol: protocolVersion + 5, oldest_protocol: protocolVersion + 4, surprise: true };
    routes['/api/v1/info'] = () => info(newer);
    await assert.rejects(enrolment().join(), (error: { code: string; detail: string; fix: string }) => {
      assert.equal(error.code, 'CLIENT_VERSION_MISMATCH');
      assert.match(
        error.detail,
        new RegExp(`9\\.9\\.9 \\(protocol ${protocolVersion + 5}.*protocol ${protocolVersion}\\)`),
      );
      assert.match(error.fix, /Update the client/);
      return true;
    });
    routes['/api/v1/info'] = () => info({ protocol: protocolVersion - 1, oldest_protocol: 0 });
    await assert.rejects(enrolment().join(), { code: 'CLIENT_VERSION_MISMATCH', fix: 'Update the reducer.' });
    assert.deepEqual(asked, ['/api/v1/info', '/api/v1/info']);
  });

  test('a state folder of another client is not taken over by a change of name', async () => {
    await enrolment().join();
    const renamed = enrolment({ token: TOKEN, name: 'site-b' });
    await assert.rejects(renamed.join(), { code: 'CLIENT_STATE_OTHER' });
  });

  test('something that is no reducer, and a redirect, are told apart from one that is away', async () => {
    routes['/api/v1/info'] = () => ({ status: 200, body: '<html>Sign in to the guest network' });
    await assert.rejects(enrolment().join(), { code: 'CLIENT_BAD_ANSWER' });
    routes['/api/v1/info'] = () => ({ status: 301, body: '', headers: { location: 'https://x.example/' } });
    await assert.rejects(enrolment().join(), {
      code: 'CLIENT_BAD_ANSWER',
      detail: /redirect to https:\/\/x/,
    });
    routes['/api/v1/info'] = () => ({ status: 502, body: 'bad gateway' });
    await assert.rejects(enrolment().join(), { code: 'CLIENT_UNREACHABLE' });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(enrolment().join(), { code: 'CLIENT_UNREACHABLE', detail: /ECONNREFUSED/ });
  });
});
