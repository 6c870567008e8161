import type { Agent } from 'node:http';
import type { ConnectionOptions, Server } from 'nats';
import {
  checkOptions,
  DataBuffer,
  type Deferred,
  deferred,
  extractProtocolMessage,
  INFO,
  type Transport,
} from 'nats';
import WebSocket from 'ws';

/** How to dial: through a proxy's agent, with extra authorities. */
export interface WebSocketDial {
  readonly agent?: Agent;
  readonly ca?: string[];
}

/**
 * NATS over a WebSocket by the `ws` package. The one in nats-core wants a global `WebSocket`, which
 * Node 20 lacks and which takes neither proxy nor CA; this one also says why a gateway refused.
 */
export class WebSocketTransport implements Transport {
  readonly lang = 'nats.ws';
  readonly version: string;
  closeError?: Error;
  #socket: WebSocket | undefined;
  #frames: Uint8Array[] = [];
  #wake: Deferred<void> = deferred();
  readonly #ended: Deferred<Error | undefined> = deferred();
  #connected = false;
  #done = false;
  #encrypted = false;
  readonly #dial: WebSocketDial;

  constructor(dial: WebSocketDial, version: string) {
    this.#dial = dial;
    this.version = version;
  }

  get isClosed(): boolean {
    return this.#done;
  }

  async connect(server: Server, options: ConnectionOptions): Promise<void> {
    this.#encrypted = server.src.startsWith('wss:');
    const { agent, ca } = this.#dial;
    const socket = new WebSocket(server.src, {
      handshakeTimeout: options.timeout ?? 20_000,
      perMessageDeflate: false,
      ...(agent === undefined ? {} : { agent }),
      ...(ca === undefined ? {} : { ca }),
    });
    this.#socket = socket;
    socket.binaryType = 'nodebuffer';
    await new Promise<void>((resolve, reject) => {
      socket.on('message', (data) => {
        this.#frames.push(data as Buffer);
        if (this.#connected) {
          this.#wake.resolve();
          return;
        }
        try {
          if (!this.#greeted(options)) return;
          resolve();
        } catch (error) {
          reject(error as Error);
        }
      });
      socket.on('error', (error) => {
        this.closeError ??= error;
        reject(error);
      });
      socket.on('close', (code, reason) => {
        reject(new Error(`the WebSocket was closed (${code} ${reason.toString()})`.trim()));
        this.#end();
      });
    });
  }

  /** Whether the server's INFO, its first line, has come in whole. */
  #greeted(options: ConnectionOptions): boolean {
    const text = extractProtocolMessage(DataBuffer.concat(...this.#frames));
    if (text === '') return false;
    const found = INFO.exec(text);
    if (found === null) throw new Error('what answers there is not a NATS server');
    checkOptions(JSON.parse(found[1] ?? '{}'), options);
    this.#connected = true;
    this.#wake.resolve();
    return true;
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    while (!this.#done) {
      await this.#wake;
      this.#wake = deferred();
      const frames = this.#frames;
      this.#frames = [];
      // What came before the end still counts: it may be the error that explains it.
      yield* frames;
    }
  }

  isEncrypted(): boolean {
    return this.#connected && this.#encrypted;
  }

  send(frame: Uint8Array): void {
    // The caller reuses its buffer, ws masks in place: hand over a copy.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(frame.slice());
  }

  async close(error?: Error): Promise<void> {
    if (error !== undefined) this.closeError ??= error;
    const socket = this.#socket;
    if (socket !== undefined && socket.readyState === WebSocket.OPEN) {
      socket.close();
      // A peer that never answers the closing frame must not hold us up.
      setTimeout(() => socket.terminate(), 1_000).unref();
    } else {
      socket?.terminate();
    }
    this.#end();
  }

  disconnect(): void {
    this.#socket?.terminate();
    this.#end();
  }

  closed(): Promise<undefined | Error> {
    return this.#ended;
  }

  discard(): void {
    this.#socket?.terminate();
  }

  #end(): void {
    if (this.#done) return;
    this.#done = true;
    this.#wake.resolve();
    // An attempt that never got as far as the greeting is reported by `connect`, not as a lost connection.
    if (this.#connected) this.#ended.resolve(this.closeError);
  }
}
