import { ConsiliumError } from '@consilium/protocol';
import { Child, type Exit } from './child.js';
import type { TaskEvent, TaskReport, TaskRequest, TaskResult } from './contract.js';
import { EventReader } from './event-reader.js';
import { takeOutputs } from './outputs.js';
import { labelOf, type Preparation, prepare, type RunOptions, taskArgv, viewOf } from './preparation.js';
import { baseEnvironment, taskEnvironment } from './sandbox/environment.js';
import { type Supervision, supervise } from './supervise.js';
import { createTaskFolder, type TaskFolder } from './task-folder.js';
import { TaskLog } from './task-log.js';

/**
 * Runs one task in a process of its own. What goes wrong with the task is in the result, with the
 * log tail; only what keeps it from being tried at all is thrown. When this returns, everything that
 * the package started is dead. The caller calls `remove()` on a result that is `ok`.
 *
 * @throws ConsiliumError PKG_NO_ENTRY, PKG_SDK_RANGE, PKG_NETWORK_DENIED, PKG_ISOLATION_UNAVAILABLE,
 *   PKG_START_FAILED
 */
export async function runTask(request: TaskRequest, options: RunOptions): Promise<TaskResult> {
  const preparation = await prepare(request, options);
  const { threads } = options.limits;
  const folder = await createTaskFolder(options.package, request, {
    workDir: options.workDir,
    threads,
    accelerator: options.accelerator,
  });
  try {
    return await runIn(folder, request, options, preparation);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function runIn(
  folder: TaskFolder,
  request: TaskRequest,
  options: RunOptions,
  preparation: Preparation,
): Promise<TaskResult> {
  const { task, box } = folder;
  const child = new Child({
    argv: taskArgv(options.package, folder),
    env: {
      ...baseEnvironment(task.tmpDir, task.threads, task.accelerator, preparation.env),
      ...taskEnvironment(task, folder.paths),
    },
    cwd: box,
    isolation: preparation.isolation,
    ...(preparation.bwrap === undefined ? {} : { bwrap: preparation.bwrap }),
    view: viewOf(preparation, options, {
      readOnly: [task.dataDir, ...Object.values(task.inputs)],
      writable: [box, task.stateDir],
      cwd: box,
    }),
    limits: options.limits,
    longLived: false,
  });
  const started = performance.now();
  const recorder = new TaskRecorder(options);
  child.stdout.on('data', (chunk: Buffer) => recorder.log.write(chunk));
  child.stderr.on('data', (chunk: Buffer) => recorder.log.write(chunk));
  child.events.on('data', (chunk: Buffer) => recorder.events.write(chunk));
  const {
    result: exit,
    stopped,
    peakMemory,
  } = await supervise(child, child.exited, supervisionOf(request, options));
  recorder.events.end();
  const report = await recorder.close(preparation, performance.now() - started, peakMemory, false);
  const error = stopped ?? exitError(exit!, request, options, report.logTail);
  return finish(folder, report, error, exit);
}

/** Collects what a task prints and says. */
export class TaskRecorder {
  readonly log: TaskLog;
  readonly events: EventReader;
  #backend: TaskReport['backend'];

  constructor(options: Pick<RunOptions, 'logFile' | 'limits' | 'onEvent'>) {
    this.log = new TaskLog(options.logFile, options.limits.logSize);
    this.events = new EventReader({ onEvent: (event) => this.note(event, options.onEvent) });
  }

  note(event: TaskEvent, onEvent: RunOptions['onEvent']): void {
    if (event.event === 'backend') {
      const { name, device } = event;
      this.#backend = { name, ...(device === undefined ? {} : { device }) };
    }
    onEvent?.(event);
  }

  async close(
    preparation: Preparation,
    durationMs: number,
    peakMemory: number | undefined,
    warm: boolean,
    droppedEvents = this.events.dropped,
  ): Promise<TaskReport> {
    await this.log.close();
    return {
      ...(this.#backend === undefined ? {} : { backend: this.#backend }),
      isolation: preparation.isolation,
      durationMs: Math.round(durationMs),
      ...(peakMemory === undefined ? {} : { peakMemory }),
      logTail: this.log.tail(),
      droppedEvents,
      warm,
    };
  }
}

/** Checks the files of a task that ended well; removes the folder of one that did not. */
export async function finish(
  folder: TaskFolder,
  report: TaskReport,
  failure: ConsiliumError | undefined,
  exit?: Exit,
): Promise<TaskResult> {
  let error = failure;
  if (error === undefined) {
    try {
      const outputs = await takeOutputs(folder.task, folder.out, folder.results);
      return { ok: true, ...report, ...outputs, remove: folder.remove };
    } catch (problem) {
      if (!(problem instanceof ConsiliumError)) throw problem;
      error = problem;
    }
  }
  await folder.remove();
  return {
    ok: false,
    ...report,
    error,
    ...(exit === undefined || exit.code === null ? {} : { exitCode: exit.code }),
    ...(exit === undefined || exit.signal === null ? {} : { signal: exit.signal }),
  };
}

export function supervisionOf(request: TaskRequest, options: RunOptions): Supervision {
  return {
    limits: options.limits,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    graceMs: options.graceMs ?? 5000,
    watchMs: options.watchMs ?? 250,
    label: labelOf(options.package, request),
  };
}

/** What an exit means; undefined for success. */
export function exitError(
  { code, signal, error }: Exit,
  request: TaskRequest,
  { package: pack }: RunOptions,
  logTail: string,
): ConsiliumError | undefined {
  if (code === 0) return undefined;
  const label = labelOf(pack, request);
  if (error !== undefined)
    return new ConsiliumError('PKG_START_FAILED', `${label}: ${error.message}.`, { cause: error });
  const last = logTail.trimEnd().split('\n').at(-1)?.trim().slice(0, 300) ?? '';
  // The launching shell's and bubblewrap's own way to say that there is no such program.
  if (code === 127 || code === 126 || /^bwrap: [^\n]*\n?$/.test(logTail)) {
    return new ConsiliumError('PKG_START_FAILED', `${label}: ${last}`);
  }
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  return new ConsiliumError(
    'PKG_TASK_FAILED',
    `${label} ended with ${how}${last === '' ? ' and printed nothing.' : `: ${last}`}`,
  );
}
