import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { joinTokenCreatedSchema } from '@consilium/protocol';
import { stringify } from 'yaml';
import { ClientProcess } from './client-stage.js';
import type { Federation } from './federation.js';

/** A hospital of a federation: its folder, its client.yaml, and its client as a process of its own. */
export class Site {
  readonly name: string;
  /** Folder with its data. */
  readonly data: string;
  readonly home: string;
  readonly config: string;
  client: ClientProcess | undefined;

  private constructor(federation: Federation, name: string, data: string) {
    this.name = name;
    this.data = data;
    this.home = join(federation.dir, 'sites', name);
    this.config = join(this.home, 'client.yaml');
  }

  /** Makes a site as a hospital would be made; `extra` goes into its client.yaml. */
  static async make(
    federation: Federation,
    name: string,
    data: string,
    extra: Readonly<Record<string, unknown>> = {},
  ): Promise<Site> {
    const site = new Site(federation, name, data);
    await mkdir(site.home, { recursive: true });
    const { token } = await federation.api.post('/join-tokens', { client: name }, joinTokenCreatedSchema);
    const config = {
      url: federation.url,
      name,
      token,
      data: { path: data, name: `rows of ${name}` },
      state: join(site.home, 'state'),
      policy: { allowed_signers: [federation.publisher.publicKey] },
      reducer_key: federation.reducerKey,
      accelerator: 'cpu',
      ...extra,
    };
    await writeFile(site.config, stringify(config), { mode: 0o600 });
    return site;
  }

  /** Starts the client, under a command line such as `ip netns exec …`, and waits until it is connected. */
  async start(under: readonly string[] = []): Promise<void> {
    this.client = new ClientProcess(this.config, [], under);
    await this.client.ready;
  }

  /** Ends the client; its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const { client } = this;
    this.client = undefined;
    return client === undefined ? null : client.end(signal);
  }

  /** Makes the gate package's task of that round wait here. */
  async hold(kind: 'train' | 'validate', round: number): Promise<void> {
    await writeFile(join(this.data, `hold-${kind}`), `${round}`);
  }

  async release(kind: 'train' | 'validate'): Promise<void> {
    await writeFile(join(this.data, `hold-${kind}`), '0');
  }
}
