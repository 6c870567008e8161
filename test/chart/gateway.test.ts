import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { defaultCacheDir, storeFromConfig } from '@consilium/platform';
import { buckets } from '@consilium/protocol';
import { makeCertificates, skipCertificates, type TestCertificates } from '../support/certificates.js';
import { freePort } from '../support/free-port.js';
import { findS3Server, type S3Server, startS3Server } from '../support/s3-servers.js';
import { find, noHelm, render } from './chart.js';

const folders = [defaultCacheDir(), ...(process.env.PATH ?? '').split(delimiter)];
const nginx =
  process.env.CONSILIUM_NGINX ??
  [join(defaultCacheDir(), 'nginx-debian/nginx'), ...folders.map((folder) => join(folder, 'nginx'))].find(
    existsSync,
  );
const s3 = (['minio', 'versitygw'] as const).find((name) => findS3Server(name) !== undefined);
const skip =
  noHelm ||
  skipCertificates ||
  (nginx === undefined ? 'needs nginx: scripts/servers/nginx.sh' : false) ||
  (s3 === undefined ? 'needs minio: scripts/servers/minio.sh' : false);

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Fingerprint of the certificate that the gateway showed. */
  readonly certificate: string;
}

describe('the gateway, by a real nginx with TLS', { skip }, () => {
  let folder: string;
  let tls: TestCertificates;
  let store: S3Server;
  let upstream: Server;
  let gateway: ChildProcess;
  let port: number;
  const answer = (path: string, headers: Record<string, string> = {}) => ask(port, path, headers);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'consilium-gateway-'));
    tls = makeCertificates('consilium.test');
    store = await startS3Server(s3!);
    // In place of reducer and NATS: says what it was asked.
    upstream = createServer((asked, response) => {
      response.end(JSON.stringify({ url: asked.url, headers: asked.headers }));
    });
    upstream.on('upgrade', (asked, socket) => {
      socket.end(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nx-path: ${asked.url}\r\n\r\n`);
    });
    await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
    port = await freePort();
    await startGateway();
  });
  after(async () => {
    gateway?.kill('SIGKILL');
    upstream?.close();
    await store?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The rendered files, with this machine's folders, ports and programs in place of the pod's. */
  async function startGateway(): Promise<void> {
    const args = ['--set', 'publicUrl=https://consilium.test,tls.existingSecret=certificate'];
    const { data } = find(render(args), 'ConfigMap', 'alliance-reducer-gateway');
    const local = `127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const here = (text: string) =>
      text
        .replace('listen 8443 ssl', `listen 127.0.0.1:${port} ssl`)
        .replace(/set \$nats [^;]+/, `set $nats ${local}`)
        .replace(/set \$reducer [^;]+/, `set $reducer ${local}`)
        .replace(/set \$store [^;]+/, `set $store ${store.endpoint}`)
        .replaceAll('/tmp/', `${folder}/`)
        .replaceAll('/etc/nginx/consilium', folder)
        .replaceAll('/etc/nginx/tls', join(folder, 'tls'));
    await mkdir(join(folder, 'tls'));
    await showCertificate();
    await writeFile(join(folder, 'nginx.conf'), here(data['nginx.conf']));
    await writeFile(join(folder, 'gateway.sh'), here(data['gateway.sh']));
    // Kept at once, so that it is ended when it does not come up.
    gateway = spawn('/bin/sh', [join(folder, 'gateway.sh')], {
      env: { PATH: `${dirname(nginx!)}${delimiter}${process.env.PATH}`, GATEWAY_CHECK_SECONDS: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    gateway.stderr!.on('data', (text) => {
      said += text;
    });
    await until(async () => {
      if (gateway.exitCode !== null) assert.fail(said);
      return (await answer('/gateway-health')).status === 200;
    });
  }

  async function showCertificate(): Promise<void> {
    await copyFile(tls.keyFile, join(folder, 'tls/tls.key'));
    await copyFile(tls.certFile, join(folder, 'tls/tls.crt'));
  }

  test('leads to the reducer, and says who asked by which scheme', async () => {
    const { status, body } = await answer('/api/v1/sessions?a=%2F');
    assert.equal(status, 200);
    const { url, headers } = JSON.parse(body);
    assert.equal(url, '/api/v1/sessions?a=%2F');
    assert.equal(headers['x-forwarded-proto'], 'https');
    assert.equal(headers.host, 'consilium.test');
  });

  test('leads to NATS over WebSocket', async () => {
    const { status } = await answer('/nats', { connection: 'Upgrade', upgrade: 'websocket' });
    assert.equal(status, 101);
  });

  test("keeps the reducer's metrics to the cluster", async () => {
    assert.equal((await answer('/metrics')).status, 404);
  });

  test('takes a signed upload and gives a signed download, of any size, and nothing unsigned', async () => {
    // Signed for the gateway's own address, as publicUrl is.
    const publicEndpoint = `https://127.0.0.1:${port}`;
    const { accessKey, secretKey, endpoint } = store;
    const adapter = await storeFromConfig({ kind: 's3', endpoint, publicEndpoint, accessKey, secretKey });
    try {
      await adapter.ensureBuckets(Object.values(buckets));
      // Larger than what the reducer may be sent.
      const bytes = Buffer.alloc(12 * 2 ** 20, 7);
      const key = 'trail/s 1/weights+a.npz';
      const { digest } = await adapter.put(buckets.work, 'same', bytes);
      const signed = await adapter.signPut(buckets.work, key, { size: bytes.length, digest }, 60);
      assert.ok(signed.kind === 'single');
      const host = { host: `127.0.0.1:${port}` };
      const put = await ask(
        port,
        new URL(signed.url).href.slice(publicEndpoint.length),
        { ...signed.headers, ...host },
        'PUT',
        bytes,
      );
      assert.equal(put.status, 200, put.body);
      const { url } = await adapter.signGet(buckets.work, key, 60);
      const got = await ask(port, url.slice(publicEndpoint.length), host);
      assert.equal(got.status, 200, got.body.slice(0, 300));
      assert.equal(got.body.length, bytes.length);
      assert.equal((await answer(`/consilium-work/${encodeURI(key)}`)).status, 403);
    } finally {
      await adapter.close();
    }
  });

  test('shows a renewed certificate without being restarted', async () => {
    const before = (await answer('/gateway-health')).certificate;
    tls = makeCertificates('consilium.test');
    await showCertificate();
    await until(async () => (await answer('/gateway-health')).certificate !== before);
    assert.equal(gateway.exitCode, null);
  });

  test('ends in order when its pod is asked to', async () => {
    gateway.kill('SIGTERM');
    const code = gateway.exitCode ?? (await new Promise((resolve) => gateway.once('exit', resolve)));
    assert.equal(code, 0);
    assert.equal(existsSync(join(folder, 'nginx.pid')), false);
    assert.ok((await readFile(join(folder, 'resolver.conf'), 'utf8')).startsWith('resolver '));
  });
});

/** One request to the gateway. A certificate of another authority than the present one is accepted, and told. */
function ask(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body?: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, agent: false, rejectUnauthorized: false };
    const asked = request({ ...options, headers: { host: 'consilium.test', ...headers } });
    let certificate = '';
    asked.once('socket', (socket) =>
      socket.once('secureConnect', () => {
        certificate = (socket as TLSSocket).getPeerCertificate().fingerprint256 ?? '';
      }),
    );
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, body: '', certificate });
    });
    asked.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('latin1'),
          certificate,
        }),
      );
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  let last: unknown;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      if (await isSo()) return;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      last = error;
    }
    await sleep(200);
  }
  throw new Error('it did not come in 20 s', { cause: last });
}
