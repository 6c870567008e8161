import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';

/** A small HTTP CONNECT proxy on loopback that keeps count. */
export interface ConnectProxy {
  readonly url: string;
  /** `host:port` of every tunnel that was asked for. */
  readonly tunnels: string[];
  /** Answers further CONNECTs with this status; undefined lets them through. */
  refuseWith: number | undefined;
  /** Cuts every open tunnel. */
  cut(): void;
  close(): Promise<void>;
}

/** @param names host names that the proxy resolves itself, as a hospital's does for the outside. */
export async function startConnectProxy(
  names: Readonly<Record<string, string>> = {},
  host = '127.0.0.1',
): Promise<ConnectProxy> {
  const open = new Set<Socket>();
  const tunnels: string[] = [];
  const server: Server = createServer((_, response) => response.writeHead(405).end());
  const proxy: ConnectProxy = {
    url: '',
    tunnels,
    refuseWith: undefined,
    cut() {
      for (const socket of open) socket.destroy();
    },
    async close() {
      proxy.cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on('connect', (request, socket: Socket, head) => {
    const target = request.url ?? '';
    tunnels.push(target);
    if (proxy.refuseWith !== undefined) {
      socket.end(`HTTP/1.1 ${proxy.refuseWith} Refused\r\n\r\n`);
      return;
    }
    const [name = '', port = ''] = target.split(':');
    const upstream = connect(Number(port), names[name] ?? name, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const [mine, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      open.add(mine);
      mine.on('error', () => other.destroy());
      mine.on('close', () => {
        open.delete(mine);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return Object.assign(proxy, { url: `http://${host}:${address.port}` });
}
