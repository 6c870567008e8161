import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkStoreKey, storeHeader } from '@consilium/platform/store';
import { asConsiliumError, ConsiliumError } from '@consilium/protocol';
import { type Handler, handle } from './handler.js';
import { Objects } from './objects.js';
import { StoreRoot } from './root.js';
import { lockRoot, type RootLock } from './root-lock.js';
import { Uploads } from './uploads.js';

export interface StoreServerOptions {
  /** The folder that holds the objects; made if it is missing. */
  readonly root: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Service credentials, each at least 32 characters; more than one while they are changed. */
  readonly keys: readonly string[];
  /** Unfinished uploads that nobody touched for so long are removed. Default 7 days. */
  readonly uploadMaxAgeMs?: number;
  readonly now?: () => number;
  readonly log?: (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;
}

export interface StoreServer {
  readonly url: string;
  /** Takes no new connections, lets requests finish for `graceMs` (default 5 s), then ends them. */
  stop(graceMs?: number): Promise<void>;
}

const day = 24 * 60 * 60 * 1000;
/** A connection on which nothing moves for so long is given up. Uploads may take as long as they need. */
const idleMs = 120_000;
const cleanUpEveryMs = 60 * 60 * 1000;

/**
 * Serves a folder as an object store over HTTP.
 * @throws STORE_BAD_CONFIG, STORE_ROOT_IN_USE; the system's error if the folder or port cannot be had
 */
export async function startStoreServer(options: StoreServerOptions): Promise<StoreServer> {
  const log = options.log ?? (() => {});
  const now = options.now ?? Date.now;
  const host = options.host ?? '127.0.0.1';
  if (options.keys.length === 0) {
    throw new ConsiliumError('STORE_BAD_CONFIG', 'There is no service credential.', { where: 'keys' });
  }
  for (const key of options.keys) checkStoreKey(key, 'keys');

  const root = await StoreRoot.open(options.root);
  const objects = new Objects(root);
  const uploads = new Uploads(root, objects);
  const handler: Handler = { root, objects, uploads, keys: options.keys, now };
  const instance = randomUUID();
  let ready = false;
  const server = createServer((request, response) => {
    if (request.method === 'GET' && request.url === '/healthz') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ok: ready, instance }));
      return;
    }
    answer(ready ? handler : undefined, request, response, log).catch((error: unknown) => {
      log('error', 'request failed', { error: String(error) });
      response.destroy();
    });
  });
  server.requestTimeout = 0;
  server.timeout = idleMs;
  await listen(server, options.port ?? 0, host);
  const url = `http://${urlHost(host)}:${(server.address() as AddressInfo).port}`;

  let lock: RootLock;
  try {
    lock = await lockRoot(root, { instance, url });
    await root.removeTemporaries();
    await removeStaleUploads();
  } catch (error) {
    await close(server, 0);
    throw error;
  }
  ready = true;
  const timer = setInterval(() => {
    removeStaleUploads().catch((error: unknown) => {
      log('warn', 'unfinished uploads could not be removed', { error: String(error) });
    });
  }, cleanUpEveryMs);
  timer.unref();
  log('info', 'store server is ready', { url, root: root.path });

  return {
    url,
    async stop(graceMs = 5000) {
      clearInterval(timer);
      await close(server, graceMs);
      await lock.release();
    },
  };

  async function removeStaleUploads(): Promise<void> {
    const removed = await uploads.removeStale(now() - (options.uploadMaxAgeMs ?? 7 * day));
    if (removed > 0) log('info', 'removed unfinished uploads', { removed });
  }
}

async function answer(
  handler: Handler | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  log: NonNullable<StoreServerOptions['log']>,
): Promise<void> {
  try {
    // What is under way could otherwise be taken for what a killed server left.
    if (handler === undefined) throw new ConsiliumError('STORE_UNAVAILABLE', 'It is starting.');
    await handle(handler, request, response);
  } catch (thrown) {
    // The client went away: there is nobody to answer.
    if (request.socket.destroyed) return;
    const error = asConsiliumError(thrown);
    if (error.code === 'INTERNAL') {
      log('error', 'unexpected error', {
        error: error.message,
        method: request.method,
        cause: String(error.cause),
      });
    }
    if (response.headersSent) {
      // Half a body is out already; only a broken connection tells the client.
      response.destroy();
      return;
    }
    const text = JSON.stringify(error.toBody());
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.writeHead(error.http, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      [storeHeader.code]: error.code,
    });
    response.end(request.method === 'HEAD' ? undefined : text);
    // What is still on its way is read and dropped, so that the answer reaches the sender.
    request.resume();
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
