import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Bus,
  connectBus,
  decodeJwt,
  type Logger,
  parseCreds,
  storeFromConfig,
} from '@consilium/platform';
import { ConsiliumError, serviceInbox } from '@consilium/protocol';
import type { CombinerConfig } from './config.js';
import { ConnectedClients } from './connected.js';
import type { Context } from './context.js';
import { Heartbeat } from './heartbeat.js';
import { openRecords } from './nats-records.js';
import { PhaseCloser } from './phase-closer.js';
import { PhaseReporter } from './phase-reporter.js';
import { Phases } from './phases.js';
import { Reconciler } from './reconciler.js';
import { ResultTaker } from './result-taker.js';
import { SessionEvents } from './session-events.js';
import { Uplink } from './uplink/uplink.js';
import { WorkerPool } from './worker/pool.js';

export interface CombinerDeps {
  readonly log: Logger;
  /** Milliseconds since 1970. Default: the clock. */
  readonly now?: () => number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** Stops the first connection attempts. */
  readonly signal?: AbortSignal;
}

export interface RunningCombiner {
  /** Whether NATS can be reached now. */
  isReady(): boolean;
  /**
   * Takes no new messages, answers those it has, closes the connections. Nothing has to be saved: all
   * that counts is in the durable state already.
   */
  stop(): Promise<void>;
}

/**
 * Starts a combiner. It returns once all orders have been read and clients are answered.
 *
 * @throws ConsiliumError BUS_UNAVAILABLE, BUS_DENIED, TRUST_* (credentials), STORE_BAD_CONFIG
 */
export async function startCombiner(config: CombinerConfig, deps: CombinerDeps): Promise<RunningCombiner> {
  const { log, now = Date.now, random = Math.random } = deps;
  const { combiner } = config;
  const bus = await connect(config, deps);
  const opened: (() => Promise<void>)[] = [() => bus.close()];
  try {
    // Few tries: a client that waits for an answer is told soon that the store is away, and asks again.
    const store = await storeFromConfig(config.store, { attempts: 3 });
    opened.push(() => store.close());
    const records = await openRecords(bus, combiner, log);
    const pool = new WorkerPool({
      store: config.store,
      tempDir: join(config.temp_dir, `combiner-${combiner}`),
      memory: config.memory_mib * 1024 * 1024,
      threads: config.threads,
      log,
    });
    opened.push(() => pool.stop());
    const events = new SessionEvents(bus, log, combiner, now);
    const settings = {
      syncSeconds: config.sync_seconds,
      sizeFactor: config.update_size_factor,
      urlSeconds: config.url_seconds,
    };
    const context: Context = {
      combiner,
      bus,
      store,
      records,
      heavy: pool,
      events,
      log,
      now,
      random,
      settings,
    };
    return await run(context, pool, opened);
  } catch (error) {
    for (const close of opened.reverse()) await close();
    throw error;
  }
}

async function run(
  context: Context,
  pool: WorkerPool,
  opened: (() => Promise<void>)[],
): Promise<RunningCombiner> {
  const { bus, log, records, settings } = context;
  const connected = new ConnectedClients(3 * settings.syncSeconds * 1000);
  const phases = new Phases(context);
  const reporter = new PhaseReporter(context);
  const reconciler = new Reconciler(context, phases, reporter, new PhaseCloser(context, reporter));
  const results = new ResultTaker(context, phases, reconciler.changed);
  const uplink = new Uplink({ context, phases, results, connected });
  const heartbeat = new Heartbeat(context, connected);

  await reconciler.load();
  const watch = records.watchOrders(reconciler.changed);
  opened.push(() => watch.stop());
  uplink.start();
  await bus.flush();
  reconciler.start();
  await heartbeat.start();
  log.info({ phases: phases.all().length }, 'combiner ready');

  return {
    isReady: () => bus.state === 'connected',
    stop: async () => {
      heartbeat.stop();
      // A check or a partial that is cut short is done again by the next start; waiting could take minutes.
      await pool.stop();
      // Nothing can be said while NATS is away, and what waits for it would hold the end up until the grace is over.
      const giveUp = () => (bus.state === 'connected' ? undefined : void bus.close());
      bus.onStatus(giveUp);
      giveUp();
      await Promise.all([uplink.stop(), reconciler.stop()]);
      await bus.flush().catch((error: unknown) => log.warn({ err: error }, 'last messages may be lost'));
      for (const close of opened.reverse()) await close();
    },
  };
}

async function connect(config: CombinerConfig, { log, signal }: CombinerDeps): Promise<Bus> {
  const { servers, creds_file, ca_file } = config.nats;
  const creds = await readFile(creds_file, 'utf8').catch((cause: unknown) => {
    const detail = cause instanceof Error ? `${cause.message}.` : String(cause);
    throw new ConsiliumError('TRUST_KEY_MISSING', detail, { where: 'nats.creds_file', cause });
  });
  const { identity, jwt } = parseCreds(creds, creds_file);
  // The name in the JWT is the one whose inbox these credentials may read.
  const { name } = decodeJwt(await jwt(), creds_file);
  return await connectBus({
    servers,
    identity,
    jwt,
    name: name ?? config.combiner,
    inboxPrefix: serviceInbox(name ?? config.combiner),
    log,
    ...(ca_file === undefined ? {} : { caFile: ca_file }),
    ...(signal === undefined ? {} : { signal }),
  });
}
