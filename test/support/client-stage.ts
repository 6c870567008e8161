import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { buildPackage, packPackage, signPackage } from '@consilium/package-runner';
import { createIdentity, digestOf, memoryNonceCache, verifyRequest } from '@consilium/platform';
import {
  buckets,
  enrolRequestSchema,
  objectKeys,
  type PackageRef,
  productVersion,
  protocolVersion,
  reducerHub,
  subjects,
} from '@consilium/protocol';
import type { TestCertificates } from './certificates.js';
import type { CombinerStage } from './combiner-stage.js';

export const joinToken = `cjt_${'t'.repeat(43)}`;

/** The reducer's side of enrolment, and no more of it: lets every site in and sends it to the stage's combiner. */
export class EnrolmentDesk {
  readonly key = createIdentity('user').publicKey;
  readonly seen: string[] = [];
  /** What clients are told; the stage's own server by default. */
  nats: string[];
  readonly #stage: CombinerStage;
  readonly #server: Server;
  readonly #nonces = memoryNonceCache(Date.now);
  readonly #tls: boolean;

  private constructor(stage: CombinerStage, tls?: TestCertificates, files?: { key: Buffer; cert: Buffer }) {
    this.#stage = stage;
    this.#tls = tls !== undefined;
    this.nats = [stage.nats.url];
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#answer(request, response);
    };
    this.#server = files === undefined ? createHttp(answer) : createHttps(files, answer);
    // The gateway's part: NATS over WebSocket under the same address.
    this.#server.on('upgrade', (request, socket, head) => this.#tunnel(request, socket, head));
  }

  static async open(stage: CombinerStage, options: { port?: number; tls?: TestCertificates } = {}) {
    const { tls, port = 0 } = options;
    const files =
      tls === undefined
        ? undefined
        : { key: await readFile(tls.keyFile), cert: await readFile(tls.certFile) };
    const desk = new EnrolmentDesk(stage, tls, files);
    await new Promise<void>((resolve) => desk.#server.listen(port, '127.0.0.1', resolve));
    const hellos = stage.bus.respond(subjects.upAll(reducerHub), () => ({
      combiner: stage.combiner,
      sync_seconds: 1,
    }));
    await stage.bus.flush();
    desk.#close = async () => {
      await hellos.stop();
    };
    return desk;
  }

  #close: () => Promise<void> = async () => undefined;

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    await this.#close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url ?? '';
    this.seen.push(path);
    const body = Buffer.concat(chunks);
    const value = await this.#route(request, path, body).catch((error: Error) => ({ wrong: error.message }));
    const status = 'wrong' in value ? 500 : 200;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  }

  async #route(request: IncomingMessage, path: string, body: Buffer): Promise<object> {
    const versions = { protocol: protocolVersion, version: productVersion, reducer_key: this.key };
    if (path === '/api/v1/info') {
      return { ...versions, product: 'consilium', oldest_protocol: protocolVersion };
    }
    if (path === '/api/v1/enrol') {
      const { client, key } = enrolRequestSchema.parse(JSON.parse(body.toString()));
      await this.#stage.clients.put(client, {
        schema: 1,
        client,
        key,
        enrolled_at: new Date().toISOString(),
        revoked_at: null,
        combiner: this.#stage.combiner,
        capabilities: {},
        version: productVersion,
      });
      return { ...versions, ...this.#access(client, key) };
    }
    const { headers } = request;
    const signed = { method: 'POST', path, bodyDigest: digestOf(body), headers };
    const { publicKey } = await verifyRequest({ ...signed, now: Date.now(), nonces: this.#nonces });
    const { client } = JSON.parse(body.toString()) as { client: string };
    return { ...versions, ...this.#access(client, publicKey) };
  }

  #access(client: string, publicKey: string): object {
    const identity = { publicKey } as Parameters<CombinerStage['nats']['clientJwt']>[1];
    const jwt = this.#stage.nats.clientJwt(client, identity);
    return { client, jwt, jwt_expires_at: new Date(Date.now() + 600_000).toISOString(), nats: this.nats };
  }

  #tunnel(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target = new URL(this.#stage.nats.webSocketUrl);
    const upstream = connect(Number(target.port), target.hostname, () => {
      const headers = request.rawHeaders.flatMap((name, i) =>
        i % 2 === 0 ? [`${name}: ${request.rawHeaders[i + 1]}`] : [],
      );
      upstream.write(`GET / HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  }
}

/** Builds, signs and stores a package of one node program that serves train and validate. */
export async function publishPackage(
  stage: CombinerStage,
  name: string,
  program: string,
  publisher: ReturnType<typeof createIdentity>,
): Promise<PackageRef> {
  const folder = join(stage.dir, `package-${name}`);
  await mkdir(folder, { recursive: true });
  const yaml = [
    `name: ${name}`,
    'version: 1.0.0',
    'runtime: node',
    'sdk: ^0.1',
    'entry: { train: main.mjs, validate: main.mjs }',
    '',
  ].join('\n');
  await writeFile(join(folder, 'package.yaml'), yaml);
  await writeFile(join(folder, 'main.mjs'), program);
  const { folder: built } = await buildPackage(folder, `${folder}-built`);
  const packed = await packPackage(built);
  const created_at = new Date().toISOString();
  const manifest = Buffer.from(JSON.stringify(signPackage({ ...packed.content, created_at }, publisher)));
  const archiveKey = objectKeys.packageArchive(name, '1.0.0');
  return {
    name,
    version: '1.0.0',
    archive: await stage.putObject(buckets.packages, archiveKey, packed.archive),
    manifest: await stage.putObject(buckets.packages, objectKeys.packageManifest(name, '1.0.0'), manifest),
  };
}

/** A client in a process of its own. */
export class ClientProcess {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly exited: Promise<number | null>;
  log = '';

  /** `under` is a command line to run it under, such as `ip netns exec …`; `place` where, and with what around it. */
  constructor(
    configFile: string,
    args: readonly string[] = [],
    under: readonly string[] = [],
    place: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ) {
    const main = fileURLToPath(import.meta.resolve('@consilium/client/main'));
    const all = [main, '-in', configFile, '--ready-line', '--die-with-parent', ...args];
    const env = { ...(place.env ?? process.env), CONSILIUM_LOG_FORMAT: 'json' };
    const [program = '', ...line] = [...under, process.execPath, ...all];
    const child = spawn(program, line, { ...place, stdio: ['pipe', 'pipe', 'pipe'], env });
    this.child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.log = (this.log + text).slice(-100_000);
      if (process.env.TEST_LOG !== undefined) process.stderr.write(text);
    });
    this.exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    this.ready = new Promise((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the client ended with ${code}:\n${this.log}`)));
    });
    this.ready.catch(() => undefined);
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.child.kill(signal);
    return await this.exited;
  }
}
