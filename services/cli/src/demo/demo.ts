import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type RunnablePackage, resolveConfig } from '@consilium/package-runner';
import { createIdentity, downloadToFile, type Logger, type StoreConfig } from '@consilium/platform';
import {
  ConsiliumError,
  modelDownloadSchema,
  type SessionEvent,
  type SessionView,
} from '@consilium/protocol';
import { ApiClient } from '../core/api-client.js';
import { followSession } from '../core/follow.js';
import type { Output } from '../core/output.js';
import { publishPackage, signedPackage } from '../local/publish.js';
import { withBuiltPackage } from '../local/run-entry.js';
import { startSession } from '../local/start-session.js';
import { type RunningPlatform, startPlatform } from '../up/platform.js';
import { Supervisor, type SupervisorEvent } from '../up/supervisor.js';
import { makeSeedModel, type Score, scoreOf, trainAlone } from './baselines.js';
import { siteProgram } from './sites.js';

export interface DemoOptions {
  readonly dir: string;
  readonly seed: number;
  readonly rounds: number;
  readonly combiners: number;
  readonly store?: StoreConfig;
  readonly natsServer?: string;
  readonly log: Logger;
  readonly onProcess: (event: SupervisorEvent) => void;
  readonly onEvent?: (event: SessionEvent) => void;
}

export interface DemoRow extends Score {
  readonly model: string;
  readonly examples: number;
}

export interface DemoResult {
  readonly session: SessionView;
  readonly rows: readonly DemoRow[];
  readonly seconds: { readonly federation: number; readonly comparison: number };
}

/** A running demo: the federation has ended, the platform still serves. */
export interface Demo {
  readonly platform: RunningPlatform;
  readonly api: ApiClient;
  readonly token: string;
  readonly result: DemoResult;
  stop(): Promise<void>;
}

interface Prepare {
  prepare(
    out: string,
    seed: number,
  ): {
    sites: readonly { name: string; folder: string; examples: number }[];
    pooled: string;
    test: string;
  };
}

/**
 * A whole alliance on this machine: four unequal hospitals with their own clients, two combiners, real data; then
 * the same training for each site alone and for all data pooled, judged on one common test set.
 */
export async function runDemo(options: DemoOptions, out: Output): Promise<Demo> {
  const dir = resolve(options.dir);
  await rm(dir, { recursive: true, force: true });
  const folder = demoPackage();
  const { prepare } = (await import(pathToFileURL(join(folder, 'dist', 'prepare.js')).href)) as Prepare;
  const platform = await startPlatform({
    dir,
    combiners: options.combiners,
    syncSeconds: 1,
    ...(options.store === undefined ? {} : { store: options.store }),
    ...(options.natsServer === undefined ? {} : { natsServer: options.natsServer }),
    log: options.log,
    onEvent: options.onProcess,
  });
  const clients = new Supervisor({ onEvent: options.onProcess });
  const stop = async () => {
    await clients.stop();
    await platform.stop();
  };
  try {
    const data = prepare(join(dir, 'data'), options.seed);
    const token = platform.adminToken;
    if (token === undefined) throw new ConsiliumError('INTERNAL', 'The demo folder was not empty.');
    const api = new ApiClient({ url: platform.url, token });
    const publisher = createIdentity('user');
    const allow = { signer: publisher.publicKey, reducer: platform.reducerKey };
    await publishPackage(api, await signedPackage(folder, publisher));
    for (const site of data.sites) await clients.start(await siteProgram(api, dir, site, allow));

    const started = Date.now();
    const declared = await startSession(api, {
      input: { name: 'demo' },
      package: { name: 'breast-fna', version: undefined },
      settings: [
        ...[`rounds=${options.rounds}`, `random_seed=${options.seed}`],
        ...[`clients_required=${data.sites.length}`, 'quorum=3', 'round_deadline=60'],
      ],
      trusted: [publisher.publicKey],
      where: 'demo',
    });
    const follow = options.onEvent === undefined ? {} : { onEvent: options.onEvent };
    const session = await followSession(api, quiet(out), declared.id, follow);
    if (session.state !== 'finished') {
      const detail = `The session is ${session.state}${session.reason === null ? '' : `: ${session.reason}`}.`;
      throw new ConsiliumError('CLI_CHECK_FAILED', detail, { where: `${dir}/logs` });
    }
    const trained = Date.now();
    const rows = await compare(options, api, folder, data, session, out);
    const seconds = { federation: (trained - started) / 1000, comparison: (Date.now() - trained) / 1000 };
    return { platform, api, token, result: { session, rows, seconds }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Events as lines are for people; with --json the demo prints one result. */
function quiet(out: Output): Output {
  return out.json ? { ...out, result: () => undefined } : out;
}

async function compare(
  options: DemoOptions,
  api: ApiClient,
  folder: string,
  data: ReturnType<Prepare['prepare']>,
  session: SessionView,
  out: Output,
): Promise<DemoRow[]> {
  return withBuiltPackage(folder, async (pack) => {
    const work = join(resolve(options.dir), 'comparison');
    const seedModel = await makeSeedModel(pack, options.seed, work);
    const epochs = epochsOf(pack) * options.rounds;
    const jobs = [...data.sites, { name: 'pooled', folder: data.pooled }];
    const rows: DemoRow[] = [];
    for (const { name, folder: dataDir } of jobs) {
      out.progress(`training ${name} for comparison`);
      const job = { name, dataDir, seedModel, epochs, seed: options.seed, out: work };
      const { weights, examples } = await trainAlone(pack, job);
      const score = await scoreOf(pack, weights, data.test);
      rows.push({ model: name === 'pooled' ? 'all data pooled' : `${name} alone`, examples, ...score });
    }
    const { model, weights_url: url } = await api.get(
      `/models?ref=${session.id}/latest`,
      modelDownloadSchema,
    );
    const weights = join(work, 'federated.npz');
    await downloadToFile({ url }, weights, { digest: model.weights.digest, size: model.weights.size });
    const federated = await scoreOf(pack, weights, data.test);
    out.endProgress();
    return [...rows, { model: 'federated', examples: model.num_examples, ...federated }];
  });
}

function epochsOf(pack: RunnablePackage): number {
  const epochs = resolveConfig(pack.config, {}).local_epochs;
  return typeof epochs === 'number' ? epochs : 1;
}

/** The package that comes with the source tree. */
function demoPackage(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    const folder = join(at, 'compute-packages', 'breast-fna');
    if (existsSync(join(folder, 'package.yaml'))) return folder;
  }
  throw new ConsiliumError('CLI_FILE', 'compute-packages/breast-fna is not there.', {
    where: 'demo',
    fix: 'Run the demo from a clone of the source tree: make demo',
  });
}
