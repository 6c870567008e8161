import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { sessionSpecSchema } from '@consilium/protocol';
import { ApiClient } from './api-client.js';
import { followSession } from './follow.js';
import type { Output } from './output.js';

const head = { number: 0, id: 'a'.repeat(64) };
const at = '2026-11-22T12:00:00.000Z';
const paused = {
  id: 'first',
  state: 'paused',
  reason: 'round 1 got 0 updates, the quorum is 2, after 3 tries',
  round: 1,
  rounds: 10,
  attempt: 3,
  spec: sessionSpecSchema.parse({ package: { name: 'p', version: '1.0.0' } }),
  head,
  best: null,
  cohorts: [],
  created_at: at,
  created_by: 'admin',
  updated_at: at,
};
const silent: Output = {
  json: false,
  live: false,
  result: () => undefined,
  say: () => undefined,
  progress: () => undefined,
  endProgress: () => undefined,
};

describe('Following a session', () => {
  test('ends when it is paused, although the reducer goes on telling', { timeout: 20_000 }, async () => {
    const server = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      if (request.url?.includes('/events') !== true) response.end(JSON.stringify(paused));
      // The answer with the events has no end.
      else {
        const { state, reason } = paused;
        const event = { event: 'session.state', session: 'first', at, state, reason, round: 1, attempt: 3 };
        response.write(`${JSON.stringify({ sequence: 1, ...event })}\n`);
      }
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const api = new ApiClient({ url: `http://127.0.0.1:${port}`, token: 'cat_x' });
    try {
      const session = await followSession(api, silent, 'first');
      assert.equal(session.state, 'paused');
    } finally {
      await api.dispatcher.destroy();
      server.closeAllConnections();
      server.close();
    }
  });
});
