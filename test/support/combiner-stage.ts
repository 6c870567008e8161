import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { finishMean, modelInfos } from '@consilium/aggregation';
import {
  type Bus,
  createIdentity,
  digestOf,
  type EventStream,
  formatCreds,
  type KvBucket,
  type ObjectStore,
  objectSource,
  openKv,
  openStream,
  readBytes,
  type StoreConfig,
  storeFromConfig,
  userJwtForService,
} from '@consilium/platform';
import {
  buckets,
  type ClientRecord,
  type CombinerRecord,
  kvBuckets,
  type ObjectRef,
  type Order,
  orderKey,
  type PhaseRef,
  type Presence,
  type Report,
  type ReportObject,
  reportObjectSchema,
  type SessionEvent,
  sessionEventSchema,
  streams,
  subjects,
  type TaskRecord,
  type TaskTemplate,
} from '@consilium/protocol';
import { bufferSource, collect, openNpz, type TensorInput, writeNpz } from '@consilium/tensor';
import { HandClient } from './hand-client.js';
import { type NatsBinary, TestNats } from './nats-servers.js';
import { type StoreServerProcess, startStoreServerProcess, storeKey } from './store-server.js';

/** A model of one matrix and one counter, small enough to be read by eye. */
export function tinyModel(values: readonly number[], steps: bigint): TensorInput[] {
  return [
    { name: 'dense/kernel', dtype: 'float32', shape: [values.length], data: Float32Array.from(values) },
    { name: 'steps', dtype: 'int64', shape: [], data: BigInt64Array.of(steps) },
  ];
}

/** A combiner in a process of its own, with real NATS and object store, and the reducer's part played by hand. */
export class CombinerStage {
  readonly nats: TestNats;
  readonly dir: string;
  readonly combiner = 'north';
  store!: ObjectStore;
  storeConfig!: StoreConfig;
  base!: ObjectRef;
  bus!: Bus;
  orders!: KvBucket<Order>;
  reports!: KvBucket<Report>;
  tasks!: KvBucket<TaskRecord>;
  clients!: KvBucket<ClientRecord>;
  presence!: KvBucket<Presence>;
  combiners!: KvBucket<CombinerRecord>;
  events!: EventStream;
  #storeServer!: StoreServerProcess;
  #child: ChildProcess | undefined;
  #log = '';

  private constructor(nats: TestNats, dir: string) {
    this.nats = nats;
    this.dir = dir;
  }

  static async start(binary: NatsBinary): Promise<CombinerStage> {
    const stage = new CombinerStage(
      await TestNats.start(binary),
      await mkdtemp(join(tmpdir(), 'consilium-stage-')),
    );
    try {
      await stage.#set();
      await stage.startCombiner();
    } catch (error) {
      await stage.stop();
      throw error;
    }
    return stage;
  }

  async #set(): Promise<void> {
    this.#storeServer = await startStoreServerProcess(join(this.dir, 'objects'));
    this.storeConfig = { kind: 'filesystem', url: this.#storeServer.url, key: storeKey };
    this.store = await storeFromConfig(this.storeConfig);
    await this.store.ensureBuckets(Object.values(buckets));
    this.bus = await this.nats.service('reducer-1');
    const open = <T>({ name, ttl }: { name: string; ttl: number }) =>
      openKv<T>(this.bus, { name, ttl: ttl * 1000 });
    this.orders = await open(kvBuckets.orders);
    this.reports = await open(kvBuckets.reports);
    this.tasks = await open(kvBuckets.tasks);
    this.clients = await open(kvBuckets.clients);
    this.presence = await open(kvBuckets.presence);
    this.combiners = await open(kvBuckets.combiners);
    this.events = await openStream(this.bus, streams.events);
    const base = await collect(writeNpz(tinyModel([0, 0, 0], 0n)));
    this.base = await this.putObject(buckets.models, 'trail/base/weights.npz', base);
    const { account, accountSigningKey } = this.nats.bootstrap;
    const identity = createIdentity('user');
    const { publicKey } = identity;
    const name = `combiner-${this.combiner}`;
    const jwt = userJwtForService({ name, publicKey, account, accountSigningKey, now: Date.now() });
    await writeFile(join(this.dir, 'combiner.creds'), formatCreds(jwt, identity), { mode: 0o600 });
    const config = {
      combiner: this.combiner,
      nats: { servers: [this.nats.url], creds_file: 'combiner.creds' },
      store: this.storeConfig,
      temp_dir: 'temp',
      memory_mib: 64,
    };
    await writeFile(join(this.dir, 'combiner.json'), JSON.stringify(config));
  }

  /** Starts the program and waits for its line on standard output. */
  async startCombiner(): Promise<void> {
    const main = fileURLToPath(import.meta.resolve('@consilium/combiner/main'));
    const args = [main, '--config', join(this.dir, 'combiner.json'), '--die-with-parent'];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-20_000);
      if (process.env.TEST_LOG !== undefined) process.stderr.write(text);
    });
    await new Promise<void>((resolve, reject) => {
      createInterface(child.stdout).once('line', (line) => {
        if (line === '{"ready":true}') resolve();
        else reject(new Error(`the combiner said ${line}`));
      });
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the combiner ended with ${code}: ${this.#log}`)));
    });
  }

  /** Bytes of memory that the combiner's process has in use. */
  async combinerMemory(): Promise<number> {
    const status = await readFile(`/proc/${this.#child?.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  /** kill -9, or another signal; the exit code. */
  async killCombiner(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const gone = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return await gone;
  }

  /** Stops the object store's process where it is: whoever asks it waits. */
  pauseStore(): { resume(): void } {
    const { child } = this.#storeServer;
    child.kill('SIGSTOP');
    return { resume: () => child.kill('SIGCONT') };
  }

  /** Ends the object store's process; `resume` starts it again on the same port. */
  async loseStore(): Promise<{ resume(): Promise<void> }> {
    const { port } = new URL(this.#storeServer.url);
    await this.#storeServer.kill();
    return {
      resume: async () => {
        const args = ['--port', port];
        this.#storeServer = await startStoreServerProcess(join(this.dir, 'objects'), { args });
      },
    };
  }

  async putObject(bucket: ObjectRef['bucket'], key: string, bytes: Uint8Array): Promise<ObjectRef> {
    const digest = digestOf(bytes);
    await this.store.put(bucket, key, bytes, { digest, size: bytes.length });
    return { bucket, key, digest, size: bytes.length };
  }

  async read(ref: ObjectRef): Promise<{ bytes: Uint8Array }> {
    return await readBytes(this.store, ref.bucket, ref.key);
  }

  /** A site that has enrolled, connected with its own permissions. */
  async site(name: string): Promise<HandClient> {
    const identity = createIdentity('user');
    const site = new HandClient(
      name,
      identity,
      this.combiner,
      await this.nats.client(name, { identity }),
      this.dir,
    );
    await this.clients.put(name, {
      schema: 1,
      client: name,
      key: identity.publicKey,
      enrolled_at: new Date().toISOString(),
      revoked_at: null,
      combiner: this.combiner,
      capabilities: {},
      version: '0.1.0',
    });
    return site;
  }

  async sites(...names: string[]): Promise<HandClient[]> {
    return await Promise.all(names.map((name) => this.site(name)));
  }

  makeOrder(
    session: string,
    clients: readonly string[],
    changes: Partial<Order> = {},
    task: Partial<TaskTemplate> = {},
  ) {
    const template: TaskTemplate = {
      kind: 'train',
      session,
      round: 1,
      attempt: 0,
      rounds: 3,
      package: { name: 'net', version: '1.0.0', archive: this.base, manifest: this.base },
      inputs: { weights: this.base },
      config: { epochs: 1 },
      random_seed: 7,
      deadline: new Date(Date.now() + 120_000).toISOString(),
      ...task,
    };
    const order: Order = {
      schema: 1,
      combiner: this.combiner,
      epoch: 1,
      clients: [...clients],
      template,
      weighting: 'examples',
      max_update_norm: null,
      max_examples: 1000,
      close: false,
      ...changes,
    };
    return order;
  }

  /** What the reducer does to start a phase, or to change it. */
  async putOrder(order: Order): Promise<Order> {
    await this.orders.put(orderKey(order.combiner, order.template), order);
    return order;
  }

  async order(...args: Parameters<CombinerStage['makeOrder']>): Promise<Order> {
    return await this.putOrder(this.makeOrder(...args));
  }

  async report(order: { template: PhaseRef; combiner: string }): Promise<Report | undefined> {
    return (await this.reports.get(orderKey(order.combiner, order.template)))?.value;
  }

  /** Waits until the phase is closed for the order's epoch and reads what came of it. */
  async closed(order: Order): Promise<ReportObject> {
    const report = await eventually('the report is closed', async () => {
      const found = await this.report(order);
      return found?.state === 'closed' && found.epoch === order.epoch ? found : undefined;
    });
    if (report.result === null) throw new Error('a closed report without a result');
    const { bucket, key, digest } = report.result;
    const { bytes } = await readBytes(this.store, bucket, key);
    if (digestOf(bytes) !== digest) throw new Error('the report object has another digest');
    return reportObjectSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
  }

  /** The mean that a partial stands for, of a model made by `tinyModel`. */
  async meanOf(partial: ObjectRef | null): Promise<{ kernel: number[]; steps: bigint }> {
    if (partial === null) throw new Error('there is no partial');
    const base = await objectSource(this.store, this.base.bucket, this.base.key);
    const infos = await modelInfos({ source: base, label: 'base' });
    const source = await objectSource(this.store, partial.bucket, partial.key);
    const mean = await openNpz(
      bufferSource(await collect(finishMean([{ source, label: 'partial' }], infos))),
    );
    const { data: kernel } = await mean.read('dense/kernel');
    const { data: steps } = await mean.read('steps');
    return { kernel: Array.from(kernel, Number), steps: BigInt(steps[0] ?? -1) };
  }

  /** Events of a session so far. */
  async eventsOf(session: string): Promise<SessionEvent[]> {
    const found: SessionEvent[] = [];
    for await (const { value } of this.events.read({ filter: subjects.event(session) })) {
      found.push(sessionEventSchema.parse(value));
    }
    return found;
  }

  async stop(): Promise<void> {
    await this.killCombiner();
    await this.#storeServer?.kill();
    await this.store?.close();
    await this.nats.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Asks again until there is an answer; how long that takes is not what is tested. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`It did not come about that ${what}.`);
    await sleep(25);
  }
}
