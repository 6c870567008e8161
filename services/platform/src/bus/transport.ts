import type { ConnectionOptions, Server, Transport } from 'nats';
import { setTransportFactory } from 'nats';
// The package exports `connect` only, which would take over the process-wide transport factory and
// refuses WebSocket addresses. The version is pinned exactly, and a test covers both transports.
import { NodeTransport, nodeResolveHost, VERSION } from 'nats/lib/node_transport.js';
import { type WebSocketDial, WebSocketTransport } from './web-socket-transport.js';

/** Connection options of ours that travel through the NATS library to the transport. */
export interface DialOptions extends ConnectionOptions {
  /** Runs before every attempt; the place to fetch a fresh JWT, since authenticators are synchronous. */
  readonly beforeDial?: (server: Server) => Promise<void>;
  /** Hears why an attempt failed; the library keeps that to itself while it retries. */
  readonly dialFailed?: (error: unknown) => void;
  readonly webSocketDial?: (server: Server) => WebSocketDial;
}

/**
 * The library keeps one transport factory for the whole process, asked before the address is known.
 * So this one is made first and picks TCP or WebSocket when it learns the address; one process can
 * hold connections of both kinds, and both come back after a loss.
 */
class DispatchingTransport implements Transport {
  #inner: Transport | undefined;
  #resolveClosed: (error: Error | undefined) => void = () => undefined;
  readonly #closed: Promise<Error | undefined>;
  #done = false;

  constructor() {
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get isClosed(): boolean {
    return this.#inner?.isClosed ?? this.#done;
  }

  get lang(): string {
    return this.#inner?.lang ?? 'nats.js';
  }

  get version(): string {
    return VERSION;
  }

  // The interface wants the member absent or an Error; a getter cannot be absent.
  get closeError(): Error {
    return this.#inner?.closeError as Error;
  }

  async connect(server: Server, options: DialOptions): Promise<void> {
    try {
      await options.beforeDial?.(server);
      if (this.#done) throw new Error('closed while preparing to connect');
      await this.#dial(server, options);
    } catch (error) {
      options.dialFailed?.(error);
      throw error;
    }
  }

  async #dial(server: Server, options: DialOptions): Promise<void> {
    const inner = isWebSocket(server.src)
      ? new WebSocketTransport(options.webSocketDial?.(server) ?? {}, VERSION)
      : new NodeTransport();
    this.#inner = inner;
    void inner.closed().then((error) => this.#resolveClosed(error as Error | undefined));
    await inner.connect(server, options);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this.#live()[Symbol.asyncIterator]();
  }

  isEncrypted(): boolean {
    return this.#inner?.isEncrypted() ?? false;
  }

  send(frame: Uint8Array): void {
    this.#live().send(frame);
  }

  async close(error?: Error): Promise<void> {
    this.#done = true;
    await this.#inner?.close(error);
  }

  disconnect(): void {
    this.#done = true;
    this.#inner?.disconnect();
  }

  closed(): Promise<undefined | Error> {
    return this.#closed;
  }

  discard(): void {
    this.#done = true;
    this.#inner?.discard();
  }

  #live(): Transport {
    if (this.#inner === undefined) throw new Error('not connected');
    return this.#inner;
  }
}

export function isWebSocket(address: string): boolean {
  return /^wss?:\/\//i.test(address);
}

let installed = false;

/** Makes the NATS library use our transports; once for the process. */
export function installTransports(): void {
  if (installed) return;
  installed = true;
  setTransportFactory({
    factory: () => new DispatchingTransport(),
    dnsResolveFn: nodeResolveHost,
    defaultPort: 4222,
  });
}
