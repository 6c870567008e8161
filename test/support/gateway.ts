import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TestCertificates } from './certificates.js';

/** Ports on loopback that a gateway leads to. */
export interface GatewayTargets {
  readonly api: number;
  readonly natsWebSocket: number;
  readonly store: number;
}

/** What nginx is in a deployment: one TLS address for API, NATS over WebSocket, and the object store. */
export interface Gateway {
  readonly port: number;
  /** `api`, `nats` and `store`, once something of the kind has come through. */
  readonly seen: ReadonlySet<string>;
  close(): Promise<void>;
}

/** `/nats` to NATS, `/consilium-…/…` unrewritten and with its Host header to the store, anything else to the API. */
export async function startGateway(tls: TestCertificates, targets: GatewayTargets): Promise<Gateway> {
  const seen = new Set<string>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const isStore = /^\/consilium-[a-z]+\//.test(request.url ?? '');
    seen.add(isStore ? 'store' : 'api');
    const { method, url: path, headers } = request;
    const port = isStore ? targets.store : targets.api;
    const onward = httpRequest({ host: '127.0.0.1', port, method, path, headers }, (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(response);
    });
    onward.on('error', () => response.headersSent || response.writeHead(502).end());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  };
  const open = new Set<Duplex>();
  const tunnel = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    seen.add('nats');
    const upstream = connect(targets.natsWebSocket, '127.0.0.1', () => {
      const { rawHeaders } = request;
      const headers = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []));
      upstream.write(`GET / HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    open.add(socket);
    for (const end of [socket, upstream]) {
      end.on('error', () => undefined);
      end.on('close', () => {
        open.delete(socket);
        socket.destroy();
        upstream.destroy();
      });
    }
  };
  const server = createServer(
    { key: await readFile(tls.keyFile), cert: await readFile(tls.certFile) },
    answer,
  );
  server.on('upgrade', tunnel);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async close() {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
