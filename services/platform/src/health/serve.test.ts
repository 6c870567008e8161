import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveHealth } from './serve.js';

test('ready follows the state, health does not, and anything else is not there', async () => {
  let ready = false;
  const server = await serveHealth({ host: '127.0.0.1', port: 0 }, () => ({ ready, nats: 'reconnecting' }));
  try {
    const before = await fetch(`${server.url}/ready`);
    assert.equal(before.status, 503);
    assert.deepEqual(await before.json(), { ready: false, nats: 'reconnecting' });
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
    ready = true;
    assert.equal((await fetch(`${server.url}/ready?x=1`)).status, 200);
    assert.equal((await fetch(`${server.url}/other`)).status, 404);
    assert.equal((await fetch(`${server.url}/ready`, { method: 'POST' })).status, 404);
  } finally {
    await server.close();
  }
  await assert.rejects(fetch(`${server.url}/health`));
});

test('a port that is taken is named', async () => {
  const first = await serveHealth({ host: '127.0.0.1', port: 0 }, () => ({ ready: true }));
  try {
    const port = Number(new URL(first.url).port);
    await assert.rejects(
      serveHealth({ host: '127.0.0.1', port }, () => ({ ready: true })),
      { code: 'UP_PORT_TAKEN', detail: new RegExp(String(port)) },
    );
  } finally {
    await first.close();
  }
});
