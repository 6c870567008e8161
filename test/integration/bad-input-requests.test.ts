import { type BadInput, refuses } from '../support/bad-input.js';
import { rawCall } from '../support/raw-http.js';
import type { ReducerStage } from '../support/reducer-stage.js';

const users = (body: unknown) => (stage: ReducerStage) => stage.admin('POST', '/users', { body });
const raw =
  (text: string | Uint8Array, headers: Record<string, string> = {}) =>
  (stage: ReducerStage) =>
    stage.admin('POST', '/users', { raw: text, headers });

const bodies: BadInput[] = [
  { what: 'a body that is not JSON', code: 'BAD_REQUEST', ask: raw('{"name":') },
  { what: 'a body that is not text', code: 'BAD_REQUEST', ask: raw(Uint8Array.of(0xff, 0xfe, 0)) },
  { what: 'no body', code: 'BAD_REQUEST', ask: (stage) => stage.admin('POST', '/users') },
  { what: 'an empty body', code: 'BAD_REQUEST', ask: raw('') },
  { what: 'a body that is a list', code: 'BAD_REQUEST', ask: users([]) },
  { what: 'a body that is null', code: 'BAD_REQUEST', ask: users(null) },
  {
    what: 'a body of another type',
    code: 'BAD_REQUEST',
    ask: raw('name=x', { 'content-type': 'application/x-www-form-urlencoded' }),
  },
  {
    what: 'a body of plain text',
    code: 'BAD_REQUEST',
    ask: raw('{"name":"x","role":"admin"}', { 'content-type': 'text/plain' }),
  },
  { what: 'a body of 5 MB', code: 'BODY_TOO_LARGE', ask: users({ name: 'x', role: 'x'.repeat(5_000_000) }) },
  {
    what: 'a field of the wrong type',
    code: 'BAD_REQUEST',
    ask: users({ name: 5, role: 'viewer' }),
    says: /name/,
  },
  {
    what: 'a field that nobody knows',
    code: 'BAD_REQUEST',
    ask: users({ name: 'x', role: 'viewer', admin: true }),
    says: /admin/,
  },
  {
    what: 'a role that nobody has',
    code: 'BAD_REQUEST',
    ask: users({ name: 'x', role: 'root' }),
    says: /role/,
  },
  {
    what: 'a name that is no name',
    code: 'BAD_REQUEST',
    ask: users({ name: 'a.b.>', role: 'viewer' }),
    says: /name/,
  },
  {
    what: 'a join token for ever',
    code: 'BAD_REQUEST',
    ask: (stage) => stage.admin('POST', '/join-tokens', { body: { expires_in_hours: 1e9 } }),
  },
  {
    what: 'events from number zero',
    code: 'BAD_REQUEST',
    ask: (stage) => stage.admin('GET', '/sessions/taken/events?from=0'),
  },
  {
    what: 'events from a number that is none',
    code: 'BAD_REQUEST',
    ask: (stage) => stage.admin('GET', '/sessions/taken/events?from=1e400'),
  },
  {
    what: 'a model reference that is none',
    code: 'TRAIL_NO_MODEL',
    ask: (stage) => stage.admin('GET', '/models?ref=%00'),
  },
  {
    what: 'a model of no session',
    code: 'SESSION_NOT_FOUND',
    ask: (stage) => stage.admin('GET', '/models?ref=../latest'),
  },
  {
    what: 'a model number that is none',
    code: 'TRAIL_NO_MODEL',
    ask: (stage) => stage.admin('GET', '/models?ref=taken/1e9'),
  },
  { what: 'no model reference', code: 'BAD_REQUEST', ask: (stage) => stage.admin('GET', '/models') },
  {
    what: 'objects outside of the trail',
    code: 'TRUST_DENIED',
    ask: (stage) => stage.admin('GET', '/trail/objects?bucket=consilium-work&prefix=uploads/'),
  },
  {
    what: 'objects of no bucket of ours',
    code: 'TRUST_DENIED',
    ask: (stage) => stage.admin('GET', '/trail/objects?bucket=other&prefix='),
  },
  {
    what: 'a URL for a path that leads out of the trail',
    code: 'STORE_BAD_NAME',
    ask: (stage) =>
      stage.admin('POST', '/trail/urls', {
        body: { objects: [{ bucket: 'consilium-models', key: 'trail/../heads/x' }] },
      }),
  },
  {
    what: '501 URLs at once',
    code: 'BAD_REQUEST',
    ask: (stage) =>
      stage.admin('POST', '/trail/urls', {
        body: {
          objects: Array.from({ length: 501 }, () => ({ bucket: 'consilium-models', key: 'trail/x' })),
        },
      }),
  },
  {
    what: 'garbage younger than nothing',
    code: 'BAD_REQUEST',
    ask: (stage) => stage.admin('POST', '/trail/gc', { body: { min_age_hours: -1 } }),
  },
];

const path = (method: string, target: string) => (stage: ReducerStage) => {
  const headers = { authorization: `Bearer ${stage.adminToken}` };
  return rawCall(stage.url, method, `/api/v1${target}`, { headers });
};

const paths: BadInput[] = [
  ...[
    '%2e%2e',
    '..%2f..%2fusers',
    '%00',
    'a%00b',
    '*',
    '%3e',
    'a.b',
    'A',
    'x'.repeat(180),
    '%F0%9F%92%A9',
  ].flatMap((id): BadInput[] => [
    {
      what: `GET of the session ${id.slice(0, 20)}`,
      code: 'SESSION_NOT_FOUND',
      ask: path('GET', `/sessions/${id}`),
    },
    {
      what: `stop of the session ${id.slice(0, 20)}`,
      code: 'SESSION_NOT_FOUND',
      ask: path('POST', `/sessions/${id}/stop`),
    },
    {
      what: `the client ${id.slice(0, 20)} shut out`,
      code: 'CLIENT_NOT_FOUND',
      ask: path('POST', `/clients/${id}/revoke`),
    },
    {
      what: `the package ${id.slice(0, 20)}`,
      code: 'SESSION_NO_PACKAGE',
      ask: path('GET', `/packages/${id}/1.0.0`),
    },
    {
      what: `the version ${id.slice(0, 20)}`,
      code: 'SESSION_NO_PACKAGE',
      ask: path('GET', `/packages/demo/${id}`),
    },
  ]),
  { what: 'percent-encoding that is none', code: 'BAD_REQUEST', ask: path('GET', '/sessions/%zz') },
  {
    what: 'a parameter of 300 letters',
    code: 'BAD_REQUEST',
    ask: path('GET', `/sessions/${'x'.repeat(300)}`),
  },
  { what: 'a path that goes up', code: 'NOT_FOUND', ask: path('GET', '/sessions/../../../etc/passwd') },
  { what: 'a path that is no route', code: 'NOT_FOUND', ask: path('GET', '/secrets') },
  { what: 'a method that no route has', code: 'NOT_FOUND', ask: path('DELETE', '/sessions/taken') },
];

refuses('bad bodies and queries', bodies);
refuses('paths that play tricks', paths);
