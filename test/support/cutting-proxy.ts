import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CuttingProxy {
  readonly port: number;
  /** How many connections were cut so far. */
  readonly cuts: number;
  /** Cuts each of the next connections once so many bytes have come down from the server or gone up to it. */
  cutNext(cuts: readonly { readonly after: number; readonly direction: 'down' | 'up' }[]): void;
  close(): Promise<void>;
}

/** A TCP proxy on 127.0.0.1 that breaks connections in the middle, as a bad line does. */
export async function startCuttingProxy(target: URL): Promise<CuttingProxy> {
  let plans: { after: number; direction: 'down' | 'up' }[] = [];
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    const count = { down: 0, up: 0 };
    const relay = (from: Socket, to: Socket, direction: 'down' | 'up'): void => {
      from.on('data', (chunk: Buffer) => {
        count[direction] += chunk.byteLength;
        const plan = plans[0];
        if (plan?.direction === direction && count[direction] >= plan.after) {
          plans = plans.slice(1);
          cuts++;
          // What came before the cut arrives; the rest never does.
          to.write(chunk.subarray(0, 1), () => {
            client.destroy();
            upstream.destroy();
          });
          return;
        }
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
    };
    relay(upstream, client, 'down');
    relay(client, upstream, 'up');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get cuts() {
      return cuts;
    },
    cutNext(next) {
      plans = [...next];
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
