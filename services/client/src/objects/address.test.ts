import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConsiliumError } from '@consilium/protocol';
import { requireObjectAddress } from './address.js';

const site = { url: 'https://consilium.example.org' };

function refusal(url: string, from: Parameters<typeof requireObjectAddress>[1] = site): string {
  try {
    requireObjectAddress(url, from);
  } catch (error) {
    assert.ok(error instanceof ConsiliumError);
    assert.equal(error.code, 'CLIENT_URL_REFUSED');
    return error.message;
  }
  assert.fail(`${url} was allowed`);
}

test('objects may lie under the address of the reducer, on another host, or in the network of the site', () => {
  requireObjectAddress('https://consilium.example.org/consilium-work/x?X-Amz-Signature=1', site);
  requireObjectAddress('https://s3.example.net/consilium-work/x', site);
  requireObjectAddress('http://10.1.2.3:9000/consilium-work/x', { url: 'http://10.1.2.3:8080' });
  requireObjectAddress('http://127.0.0.1:9000/x', { url: 'http://127.0.0.1:8080' });
  requireObjectAddress('http://localhost:9000/x', { url: 'http://[::1]:8080' });
  requireObjectAddress('http://localhost:9000/x', { url: 'https://127.0.0.1:8443' });
});

test('what only this machine or its link can reach is no place for objects', () => {
  for (const host of [
    '127.0.0.1:6379',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    'localhost',
    'a.localhost',
    'localhost.',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:169.254.169.254]',
    '0.0.0.0',
    '[::]',
    '169.254.169.254',
    '2852039166',
    '[fe80::1]',
    '[fd00:ec2::254]',
  ]) {
    refusal(`https://${host}/x`);
    refusal(`http://${host}/x`);
  }
  refusal('http://169.254.169.254/latest', { url: 'http://127.0.0.1:8080' });
});

test('through a proxy, a loopback address is not one of this machine', () => {
  const walled = { ...site, proxy: 'http://proxy.example.org:3128' };
  requireObjectAddress('https://127.0.0.1:9000/x', walled);
  refusal('https://127.0.0.1:9000/x', { ...walled, no_proxy: '127.0.0.1' });
  refusal('https://169.254.169.254/x', walled);
});

test('a combiner cannot lead a client out of TLS, to a user name or to another scheme, and the URL is not told', () => {
  for (const url of [
    'http://s3.example.net/x?sig=geheim',
    'https://a:geheim@example.net/x',
    'ftp://e.org/geheim',
    'geheim',
  ]) {
    assert.doesNotMatch(refusal(url), /geheim/);
  }
});
