import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * As much of Kubernetes' API as the bootstrap uses: Secrets of one namespace, with names, resource versions and
 * conflicts. The real one is asked by `make e2e-kubernetes`.
 */
export class SecretsApi {
  readonly url: string;
  readonly token = 'a-token';
  /** Name to its data, base64. */
  readonly secrets = new Map<string, Record<string, string>>();
  writes = 0;
  /** Answers 403, as to an account without rights. */
  refuse = false;
  readonly #server: Server;

  private constructor(server: Server, namespace: string) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => {
      void this.#answer(request, `/api/v1/namespaces/${namespace}/secrets`).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      });
    });
  }

  static async start(namespace: string): Promise<SecretsApi> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return new SecretsApi(server, namespace);
  }

  async stop(): Promise<void> {
    await new Promise((done) => this.#server.close(done));
  }

  async #answer(request: IncomingMessage, base: string): Promise<{ status: number; body: unknown }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const fail = (status: number, message: string) => ({ status, body: { kind: 'Status', message } });
    if (request.headers.authorization !== `Bearer ${this.token}`) return fail(401, 'Unauthorized');
    if (this.refuse) return fail(403, 'secrets are not allowed here');
    const { method, url = '' } = request;
    const name = url.startsWith(`${base}/`) ? url.slice(base.length + 1) : undefined;
    if (url !== base && name === undefined) return fail(404, 'no such path');
    const old = name === undefined ? undefined : this.secrets.get(name);
    if (method === 'GET') {
      return old === undefined
        ? fail(404, `secrets "${name}" not found`)
        : { status: 200, body: this.#object(name!) };
    }
    const sent = JSON.parse(Buffer.concat(chunks).toString());
    if (Object.keys(sent.data).some((key) => !/^[-._a-zA-Z0-9]{1,253}$/.test(key)))
      return fail(422, 'bad key');
    const target: string = sent.metadata.name;
    if (method === 'POST' && this.secrets.has(target)) return fail(409, `secrets "${target}" already exists`);
    if (method === 'PUT') {
      if (old === undefined) return fail(404, `secrets "${name}" not found`);
      if (sent.metadata.resourceVersion !== this.#object(name!).metadata.resourceVersion) {
        return fail(409, 'the object has been modified');
      }
    }
    this.secrets.set(target, sent.data);
    this.writes += 1;
    return { status: method === 'POST' ? 201 : 200, body: this.#object(target) };
  }

  #object(name: string) {
    const data = this.secrets.get(name)!;
    const resourceVersion = String(JSON.stringify(data).length);
    return { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name, resourceVersion }, data };
  }
}
