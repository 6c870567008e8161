import assert from 'node:assert/strict';
import { test } from 'node:test';
import { natsAddresses } from './nats-addresses.js';

const tls = { url: 'https://reducer.example.org' };
const plain = { url: 'http://reducer.internal:8080' };
const proxy = 'http://proxy.example.org:3128';

test('what the reducer names is used as it is where nothing speaks against it', () => {
  for (const [config, addresses] of [
    [plain, ['nats://nats.internal:4222', 'ws://reducer.internal/nats']],
    [tls, ['wss://reducer.example.org/nats', 'tls://nats.example.org:4222']],
    [tls, ['nats://127.0.0.1:4222']],
    [{ ...plain, proxy }, ['ws://reducer.internal/nats']],
    [{ ...plain, proxy, no_proxy: '.internal' }, ['nats://nats.internal:4222']],
  ] as const) {
    assert.deepEqual(natsAddresses(addresses, config), { use: addresses, refused: [] });
  }
});

test('a client that speaks TLS with the reducer does not speak to NATS in the clear', () => {
  const { use, refused } = natsAddresses(
    ['nats://nats.example.org:4222', 'wss://reducer.example.org/nats'],
    tls,
  );
  assert.deepEqual(use, ['wss://reducer.example.org/nats']);
  assert.equal(refused[0]?.address, 'nats://nats.example.org:4222');
  assert.throws(() => natsAddresses(['ws://reducer.example.org/nats'], tls), { code: 'CLIENT_NATS_REFUSED' });
});

test('a client with a proxy does not go past it', () => {
  assert.throws(
    () => natsAddresses(['nats://nats.internal:4222', 'tls://nats.internal:4222'], { ...plain, proxy }),
    {
      code: 'CLIENT_NATS_REFUSED',
    },
  );
});
