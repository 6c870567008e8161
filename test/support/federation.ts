import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  ApiClient,
  folderTrail,
  openTrail,
  publishPackage,
  signedPackage,
  startSession,
} from '@consilium/cli';
import { createIdentity, type Identity } from '@consilium/platform';
import {
  clientViewSchema,
  type SessionEvent,
  type SessionView,
  sessionViewSchema,
} from '@consilium/protocol';
import { type TrailSource, type VerifyResult, verifySession } from '@consilium/trail';
import { z } from 'zod';
import { noneLeft, processesOf } from './processes.js';
import { Site } from './site.js';

/** The command line as a person starts it. */
export const consiliumFile = fileURLToPath(
  new URL('../../../services/cli/bin/consilium.js', import.meta.url),
);
export const guardFile = fileURLToPath(new URL('guard.js', import.meta.url));
/** Longest time that anything here is waited for, in milliseconds; never a measure of speed. */
const patience = Number(process.env.CONSILIUM_E2E_PATIENCE ?? 120_000);

export interface FederationOptions {
  readonly combiners?: number;
  /** `s3://key:secret@host:port` instead of the filesystem store. */
  readonly store?: string;
  readonly natsServer?: string;
  /** A folder on which a platform ran before; a new temporary one when left out. */
  readonly dir?: string;
}

/** What `consilium up --json` says once it is up. */
const readySchema = z.object({ url: z.string(), reducerKey: z.string(), admin_token: z.string().nullable() });

/** A whole platform under `consilium up`, with sites as processes of their own, in a temporary folder. */
export class Federation {
  readonly dir: string;
  readonly publisher: Identity = createIdentity('user');
  readonly sites: Site[] = [];
  url = '';
  reducerKey = '';
  token = '';
  api!: ApiClient;
  readonly #options: FederationOptions;
  #up: ChildProcess | undefined;
  #said = '';

  private constructor(dir: string, options: FederationOptions) {
    this.dir = dir;
    this.#options = options;
  }

  static async start(options: FederationOptions = {}): Promise<Federation> {
    const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'consilium-e2e-')));
    const federation = new Federation(dir, options);
    try {
      await federation.up();
    } catch (error) {
      await federation.close();
      throw error;
    }
    return federation;
  }

  /** Variables for every program of this federation: its own home, and the mark by which it is found again. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, CONSILIUM_E2E: this.dir, XDG_CONFIG_HOME: join(this.dir, 'home') };
  }

  /** Starts `consilium up` on the folder, the first time or again. */
  async up(): Promise<void> {
    const { combiners = 2, store, natsServer } = this.#options;
    const args = ['up', '--json', '--dir', this.dir, '--combiners', `${combiners}`];
    if (store !== undefined) args.push('--store', store);
    if (natsServer !== undefined) args.push('--nats-server', natsServer);
    const child = spawn(process.execPath, [guardFile, process.execPath, consiliumFile, ...args], {
      env: this.env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#up = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-20_000);
    });
    const first = createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    const line = await withPatience('`consilium up` is ready', first);
    if (line.done === true) throw new Error(`consilium up ended:\n${this.#said}`);
    const ready = readySchema.parse(JSON.parse(line.value));
    this.url = ready.url;
    this.reducerKey = ready.reducerKey;
    this.token = ready.admin_token ?? this.token;
    this.api = new ApiClient({ url: this.url, token: this.token });
  }

  /** Process id of a service, `nats-server`, `nats-wrapper`, `up` or a site's client. */
  pidOf(name: string): number {
    const found = processesOf(this.dir).filter((seen) => seen.name === name);
    if (found.length === 1) return found[0]!.pid;
    throw new Error(`there are ${found.length} processes called ${name}`);
  }

  /** kill -9, and waits until the process is gone. */
  async kill(name: string): Promise<number> {
    const pid = this.pidOf(name);
    process.kill(pid, 'SIGKILL');
    await noneLeft(this.dir, (seen) => seen.pid === pid);
    return pid;
  }

  /** Waits until a killed process runs again under another id. */
  async restarted(name: string, before: number): Promise<void> {
    await this.until(`${name} runs again`, async () => {
      const found = processesOf(this.dir).filter((seen) => seen.name === name);
      return found.length === 1 && found[0]!.pid !== before;
    });
  }

  async addSite(name: string, data: string, extra?: Readonly<Record<string, unknown>>): Promise<Site> {
    const site = await Site.make(this, name, data, extra);
    this.sites.push(site);
    return site;
  }

  async publish(folder: string): Promise<void> {
    await publishPackage(this.api, await signedPackage(folder, this.publisher));
  }

  async startSession(name: string, packageName: string, settings: readonly string[]): Promise<SessionView> {
    const connected = this.sites.filter((site) => site.client !== undefined).length;
    await this.until(`${connected} clients are connected`, async () => {
      const clients = await this.api.get('/clients', z.array(clientViewSchema));
      return clients.filter((client) => client.connected).length >= connected;
    });
    return startSession(this.api, {
      input: { name },
      package: { name: packageName, version: undefined },
      settings,
      trusted: [this.publisher.publicKey],
      where: 'test',
    });
  }

  async events(session: string): Promise<SessionEvent[]> {
    const events: SessionEvent[] = [];
    for await (const line of this.api.lines(`/sessions/${session}/events`)) {
      events.push(JSON.parse(line) as SessionEvent);
    }
    return events;
  }

  /** Waits for an event, through restarts of whatever answers. */
  async event(
    session: string,
    what: string,
    matches: (event: SessionEvent) => boolean,
  ): Promise<SessionEvent> {
    return this.until(what, async () => (await this.events(session)).find(matches));
  }

  /** Waits until the session has finished. @throws when it ends otherwise, or is paused */
  async finished(session: string): Promise<SessionView> {
    const view = await this.until(`session ${session} ends`, async () => {
      const now = await this.api.get(`/sessions/${session}`, sessionViewSchema);
      return ['finished', 'stopped', 'failed', 'paused'].includes(now.state) ? now : undefined;
    });
    if (view.state !== 'finished') throw new Error(`${session} is ${view.state}: ${view.reason}`);
    return view;
  }

  /** Asks again until there is an answer; what fails meanwhile is part of the error. */
  async until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
    const end = Date.now() + patience;
    for (let last = ''; ; ) {
      try {
        const answer = await ask();
        if (answer !== undefined && answer !== false) return answer;
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      }
      if (Date.now() > end) {
        const clients = this.sites.map(
          ({ name, client }) => `${name}: ${client?.log.slice(-1500) ?? 'away'}`,
        );
        const said = [last, this.#said, ...clients, await this.logs()].join('\n');
        throw new Error(`It did not come about that ${what}.\n${said}`);
      }
      await sleep(100);
    }
  }

  /** The end of each service's log. */
  async logs(): Promise<string> {
    const names = processesOf(this.dir).map(({ name }) => name);
    const texts = [...new Set(['reducer-1', 'combiner-1', 'combiner-2', ...names])].map(async (name) => {
      const text = await readFile(join(this.dir, 'logs', `${name}.log`), 'utf8').catch(() => '');
      return text === '' ? '' : `${name}: ${text.slice(-1500)}`;
    });
    return (await Promise.all(texts)).join('\n');
  }

  /** The trail as an auditor has it: the store's folder, or the S3 behind it, without our services. */
  async withTrail<T>(use: (trail: TrailSource) => Promise<T>): Promise<T> {
    const { store } = this.#options;
    if (store === undefined) return use(folderTrail(join(this.dir, 'store')));
    const { trail, close } = await openTrail(store);
    try {
      return await use(trail);
    } finally {
      await close();
    }
  }

  async verify(session: string): Promise<VerifyResult> {
    return this.withTrail((trail) => verifySession(trail, session, { key: this.reducerKey }));
  }

  /** Ctrl-C for everything, then looks that nothing is left, and removes the folder. */
  async close(): Promise<void> {
    await Promise.all(this.sites.map((site) => site.end('SIGTERM')));
    await this.down();
    try {
      await noneLeft(this.dir);
    } finally {
      for (const { pid } of processesOf(this.dir)) process.kill(pid, 'SIGKILL');
      if (!process.env.CONSILIUM_E2E_KEEP) await rm(this.dir, { recursive: true, force: true });
    }
  }

  /** Ends `consilium up` in order. */
  async down(): Promise<void> {
    const up = this.#up;
    this.#up = undefined;
    if (up === undefined || up.exitCode !== null || up.signalCode !== null) return;
    const gone = new Promise((resolve) => up.once('exit', resolve));
    up.kill('SIGTERM');
    await withPatience('`consilium up` has ended', gone);
  }
}

async function withPatience<T>(what: string, promise: Promise<T>): Promise<T> {
  const stop = new AbortController();
  const late = sleep(patience, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`It did not come about that ${what}.`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}
