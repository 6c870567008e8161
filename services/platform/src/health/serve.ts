import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConsiliumError } from '@consilium/protocol';

export interface HealthAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** What `GET /ready` says; `ready` decides between 200 and 503. */
export interface HealthState {
  readonly ready: boolean;
  readonly [fact: string]: unknown;
}

export interface HealthServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Health routes for a program that serves nothing else by HTTP: `GET /health` answers 200 while the process runs,
 * `GET /ready` 200 or 503 with what `state` says.
 * @throws UP_PORT_TAKEN
 */
export async function serveHealth(address: HealthAddress, state: () => HealthState): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    const isKnown = request.method === 'GET' && (path === '/health' || path === '/ready');
    const body = !isKnown ? { code: 'NOT_FOUND' } : path === '/health' ? { ok: true } : state();
    const status = !isKnown ? 404 : 'ready' in body && !body.ready ? 503 : 200;
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    response.end(`${JSON.stringify(body)}\n`);
  });
  await new Promise<void>((done, fail) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const detail = `${address.host}:${address.port} (${cause.code ?? cause.message}).`;
      fail(
        new ConsiliumError('UP_PORT_TAKEN', detail, { where: 'health', fix: 'Give another port.', cause }),
      );
    });
    server.listen(address.port, address.host, done);
  });
  const { port } = server.address() as AddressInfo;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
