import { join } from 'node:path';
import {
  type RunOptions,
  resolveConfig,
  runTask,
  type TaskDone,
  type TaskRequest,
  type TaskResult,
} from '@consilium/package-runner';
import { asConsiliumError, ConsiliumError, type DataSet, type Task } from '@consilium/protocol';
import type { StoredResult } from '../journal.js';
import { allowedBy, type Permission, permit } from '../policy.js';
import { orAborted } from '../retry.js';
import { KEPT_LOGS, keepNewest } from '../state/folders.js';
import { makeClaim, signClaim, splitMetrics } from './claim.js';
import type { TaskContext } from './context.js';
import { failedRequest } from './endings.js';
import { fetchManifest, fetchObject, installPackage, requireSizes } from './inputs.js';
import type { Progress } from './progress.js';
import { writeUpdate } from './update-file.js';

export interface WorkOptions {
  readonly task: Task;
  readonly context: TaskContext;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly onState: (state: 'downloading' | 'running') => void;
}

/**
 * Does one task: policy, package, model, run, signed claim. The result is not stored or sent yet.
 * @throws ConsiliumError whatever kept the task from being tried; the reason of the signal
 */
export async function work(options: WorkOptions): Promise<StoredResult> {
  const { task, context, signal, onState } = options;
  if (task.inputs.weights === undefined) {
    throw new ConsiliumError('BUS_BAD_MESSAGE', 'The task names no weights.', { where: task.id });
  }
  requireSizes(task, context);
  onState('downloading');
  const signed = await fetchManifest(task, context, signal);
  const permission = await askPolicy(task, signed.manifest.content, context);
  const pack = await installPackage(task, signed, context, signal);
  const config = resolveConfig(pack.config, task.config);
  const inputs = await fetchInputs(task, context, signal);
  try {
    // Reading a large data folder for the first time takes long; a task that is called off must not wait.
    const dataSet = await orAborted(context.dataSet.describe(), signal);
    onState('running');
    await context.audit.append('task.started', {
      task: task.id,
      package: task.package.archive.digest,
      base: task.inputs.weights?.digest,
      data: dataSet.digest,
    });
    const paths = Object.fromEntries(inputs.map(({ name, file }) => [name, file.path]));
    const result = await run(options, { package: pack, ...permission }, config, paths);
    signal.throwIfAborted();
    if (!result.ok) return { request: failedRequest(task, result.error, result.logTail) };
    try {
      return await finish(options, result, dataSet, paths.weights ?? '');
    } catch (thrown) {
      signal.throwIfAborted();
      return { request: failedRequest(task, asConsiliumError(thrown), result.logTail) };
    } finally {
      await result.remove();
    }
  } finally {
    for (const { file } of inputs) file.release();
  }
}

async function askPolicy(
  task: Task,
  content: Parameters<typeof permit>[2],
  { config, facts, audit }: TaskContext,
): Promise<Permission> {
  const about = {
    task: task.id,
    name: content.name,
    version: content.version,
    digest: content.digest,
    signer: content.publisher,
  };
  await audit.append('package.seen', about);
  try {
    const permission = permit(config.policy, facts, content);
    await audit.append('package.allowed', { ...about, by: allowedBy(config.policy, content) });
    return permission;
  } catch (thrown) {
    const { code, detail } = asConsiliumError(thrown);
    await audit.append('package.refused', { ...about, code, detail });
    throw thrown;
  }
}

async function fetchInputs(task: Task, context: TaskContext, signal: AbortSignal) {
  const inputs: { name: string; file: Awaited<ReturnType<typeof fetchObject>> }[] = [];
  try {
    for (const [name, ref] of Object.entries(task.inputs)) {
      inputs.push({ name, file: await fetchObject(task, `inputs.${name}`, ref, context, signal) });
    }
    return inputs;
  } catch (error) {
    for (const { file } of inputs) file.release();
    throw error;
  }
}

async function run(
  { task, context, progress, signal }: WorkOptions,
  { package: pack, limits, accelerator }: Pick<RunOptions, 'package' | 'limits' | 'accelerator'>,
  config: Record<string, unknown>,
  inputs: Record<string, string>,
): Promise<TaskResult> {
  const { config: site, folders, facts, sdk, workers, log } = context;
  const request: TaskRequest = {
    entry: task.kind,
    session: task.session,
    round: task.round,
    site: task.client,
    config,
    dataDir: site.data.path,
    stateDir: folders.privateState(task.session),
    seed: task.random_seed % 2 ** 31,
    inputs,
  };
  const options: RunOptions = {
    package: pack,
    workDir: folders.work,
    limits,
    accelerator,
    sandbox: {
      isolation: site.policy.isolation,
      network: site.policy.network,
      hidden: [folders.keys],
    },
    sdk,
    machine: facts.isolation,
    signal,
    logFile: join(folders.logs, `${task.id}.log`),
    onEvent: (event) => {
      if (event.event === 'log') log[event.level]({ task: task.id }, event.message);
      progress.note(event);
    },
  };
  await keepNewest(folders.logs, KEPT_LOGS).catch((error: unknown) => {
    log.warn({ err: error }, 'old logs of tasks could not be removed');
  });
  return await (workers === undefined ? runTask(request, options) : workers.run(request, options));
}

/** Turns what the package left into a result: the canonical update, and the claim the site signs. */
async function finish(
  { task, context, progress, signal }: WorkOptions,
  done: TaskDone,
  dataSet: DataSet,
  base: string,
): Promise<StoredResult> {
  const { journal, identity, clock, log } = context;
  const { dropped } = splitMetrics(done.metrics);
  if (dropped.length > 0) {
    const message = `Metrics that are no finite numbers were left out: ${dropped.join(', ')}`;
    log.warn({ task: task.id }, message);
    progress.say({ message: message.slice(0, 2000) });
  }
  await orAborted(noteChangedData(task, dataSet, context), signal);
  if (task.kind === 'validate') {
    const claim = makeClaim({ task, done, dataSet, now: clock.now() });
    return { request: { outcome: 'done', task: task.id, signed: signClaim(claim, identity) } };
  }
  const weights = done.parts.weights;
  if (weights === undefined) {
    throw new ConsiliumError('CLIENT_UPDATE_INVALID', 'There are no weights.', { where: task.id });
  }
  const temporary = join(journal.folder(task.id), 'update.tmp');
  const { digest, size } = await writeUpdate(weights, base, temporary, signal);
  const claim = makeClaim({ task, done, dataSet, update: digest, now: clock.now() });
  await journal.keepUpdate(task.id, temporary);
  return {
    request: { outcome: 'done', task: task.id, signed: signClaim(claim, identity), update_size: size },
    upload: { path: journal.updatePath(task.id), digest, size },
  };
}

/** The claim speaks of the data as they were when the task started; a change while it ran is put on record. */
async function noteChangedData(
  task: Task,
  before: DataSet,
  { dataSet, audit, log }: TaskContext,
): Promise<void> {
  try {
    const after = await dataSet.describe();
    if (after.digest === before.digest) return;
    log.warn({ task: task.id }, 'the data folder changed while the package ran');
    await audit.append('data.changed', { task: task.id, before: before.digest, after: after.digest });
  } catch (error) {
    log.warn({ task: task.id, err: error }, 'the data folder could not be looked at again');
  }
}
