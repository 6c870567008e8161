import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, matchesNoProxy, proxyFor } from './proxy.js';

const env = { HTTPS_PROXY: 'http://secure:1', HTTP_PROXY: 'http://plain:2' };
const through = (url: string, settings: object): string | undefined => proxyFor(url, settings)?.host;

test('https and wss go through HTTPS_PROXY, http and ws through HTTP_PROXY, what is left through ALL_PROXY', () => {
  assert.equal(through('https://a.example/', { env }), 'secure:1');
  assert.equal(through('wss://a.example/nats', { env }), 'secure:1');
  assert.equal(through('http://a.example/', { env }), 'plain:2');
  assert.equal(through('ws://a.example/', { env }), 'plain:2');
  assert.equal(through('https://a.example/', { env: { all_proxy: 'all:3' } }), 'all:3');
  assert.equal(through('https://a.example/', { env: {} }), undefined);
});

test('lower case wins over upper case, and settings win over the environment', () => {
  assert.equal(through('https://a.example/', { env: { ...env, https_proxy: 'http://lower:4' } }), 'lower:4');
  assert.equal(through('https://a.example/', { env, proxy: 'http://given:5' }), 'given:5');
  assert.equal(through('https://a.example/', { env: { ...env, NO_PROXY: '*' }, noProxy: '' }), 'secure:1');
});

test('loopback is reached directly unless a proxy was set explicitly', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]', 'x.localhost']) {
    assert.equal(through(`https://${host}:1/`, { env }), undefined, host);
    assert.equal(through(`https://${host}:1/`, { env, proxy: 'http://given:5' }), 'given:5', host);
  }
  assert.equal(isLoopback('127.example.org'), false);
});

test('NO_PROXY takes names, suffixes, ports, addresses and the star', () => {
  const yes: [string, string][] = [
    ['https://a.example.org/', 'example.org'],
    ['https://a.example.org/', '.example.org'],
    ['https://a.example.org/', '*.example.org'],
    ['https://example.org/', 'other.org, example.org'],
    ['https://example.org/', 'example.org:443'],
    ['http://10.0.0.1:9000/', '10.0.0.1'],
    ['http://[fd00::1]:9000/', 'fd00::1'],
    ['http://[fd00::1]:9000/', '[fd00::1]:9000'],
    ['https://anything/', '*'],
  ];
  const no: [string, string][] = [
    ['https://notexample.org/', 'example.org'],
    ['https://example.org:8443/', 'example.org:443'],
    ['http://110.0.0.1/', '10.0.0.1'],
    ['https://example.org/', ''],
  ];
  for (const [url, list] of yes) assert.ok(matchesNoProxy(new URL(url), list), `${url} ${list}`);
  for (const [url, list] of no) assert.ok(!matchesNoProxy(new URL(url), list), `${url} ${list}`);
});

test('a proxy that is no HTTP proxy is refused without showing its password', () => {
  assert.throws(
    () => proxyFor('https://a.example/', { env: { HTTPS_PROXY: 'socks5://me:geheim@x:1' } }),
    (error: Error & { code?: string }) => error.code === 'BAD_REQUEST' && !error.message.includes('geheim'),
  );
});
