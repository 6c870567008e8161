import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConsiliumError } from '@consilium/protocol';
import { Child, type Exit } from './child.js';
import type { TaskRequest, TaskResult } from './contract.js';
import { EventReader, type WorkerAnswer } from './event-reader.js';
import { labelOf, type Preparation, prepare, type RunOptions, viewOf } from './preparation.js';
import { exitError, finish, supervisionOf, TaskRecorder } from './run.js';
import { requireEntry } from './runnable.js';
import { baseEnvironment, taskEnvironment } from './sandbox/environment.js';
import { supervise } from './supervise.js';
import { createTaskFolder, removeTree, type TaskFolder } from './task-folder.js';

const hostFile = fileURLToPath(new URL('./worker-host.mjs', import.meta.url));

/** The module has no `run`: the task has to be run as a process of its own. */
export const incapable = Symbol('incapable');

interface Current {
  readonly recorder: TaskRecorder;
  readonly answered: (answer: WorkerAnswer) => void;
  readonly task: string;
}

/** One process that runs the tasks of one session, one after the other. */
export class WarmWorker {
  /** False once it has failed or was stopped; it is not used again. */
  usable = true;
  readonly #child: Child;
  readonly #preparation: Preparation;
  readonly #home: string;
  readonly #events: EventReader;
  #current: Current | undefined;
  #droppedBefore = 0;

  private constructor(child: Child, preparation: Preparation, home: string, options: RunOptions) {
    this.#child = child;
    this.#preparation = preparation;
    this.#home = home;
    this.#events = new EventReader({
      onEvent: (event) => this.#current?.recorder.note(event, this.#onEvent),
      onAnswer: (answer) => {
        if (answer.task === this.#current?.task) this.#current.answered(answer);
      },
    });
    this.#onEvent = options.onEvent;
    child.events.on('data', (chunk: Buffer) => this.#events.write(chunk));
    child.stdout.on('data', (chunk: Buffer) => this.#current?.recorder.log.write(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#current?.recorder.log.write(chunk));
    void child.exited.then(() => {
      this.usable = false;
    });
  }

  #onEvent: RunOptions['onEvent'];

  /** @throws ConsiliumError as `runTask` */
  static async start(request: TaskRequest, options: RunOptions): Promise<WarmWorker> {
    const preparation = await prepare(request, options);
    await mkdir(options.workDir, { recursive: true, mode: 0o700 });
    await mkdir(request.stateDir, { recursive: true, mode: 0o700 });
    const home = await mkdtemp(join(options.workDir, 'worker-'));
    const child = new Child({
      argv: [process.execPath, hostFile],
      env: {
        ...baseEnvironment(home, options.limits.threads, options.accelerator, preparation.env),
        CONSILIUM_WORKER: '1',
        CONSILIUM_SESSION: request.session,
        CONSILIUM_SITE: request.site,
        CONSILIUM_STATE_DIR: request.stateDir,
        CONSILIUM_PACKAGE_DIR: options.package.folder,
        ...(request.dataDir === undefined ? {} : { CONSILIUM_DATA_DIR: request.dataDir }),
      },
      cwd: home,
      isolation: preparation.isolation,
      ...(preparation.bwrap === undefined ? {} : { bwrap: preparation.bwrap }),
      view: viewOf(preparation, options, {
        readOnly: [hostFile, request.dataDir],
        writable: [home, request.stateDir],
        cwd: home,
      }),
      limits: options.limits,
      longLived: true,
    });
    return new WarmWorker(child, preparation, home, options);
  }

  /** Runs a task; `incapable` if its module exports no `run`. After anything but success the worker is stopped. */
  async run(request: TaskRequest, options: RunOptions): Promise<TaskResult | typeof incapable> {
    const folder = await createTaskFolder(options.package, request, {
      workDir: options.workDir,
      boxes: this.#home,
      reachable: options.sandbox.readOnly ?? [],
      threads: options.limits.threads,
      accelerator: options.accelerator,
    });
    try {
      const result = await this.#perform(folder, request, options);
      if (result === incapable || !result.ok) await this.stop();
      if (result === incapable) await folder.remove();
      return result;
    } catch (error) {
      await this.stop();
      await folder.remove();
      throw error;
    } finally {
      this.#current = undefined;
    }
  }

  async #perform(
    folder: TaskFolder,
    request: TaskRequest,
    options: RunOptions,
  ): Promise<TaskResult | typeof incapable> {
    const recorder = new TaskRecorder(options);
    const started = performance.now();
    this.#onEvent = options.onEvent;
    const answered = new Promise<WorkerAnswer>((resolve) => {
      this.#current = { recorder, answered: resolve, task: folder.paths.taskFile };
    });
    const work = Promise.race([answered, this.#child.exited]);
    const job = {
      task: folder.paths.taskFile,
      env: taskEnvironment(folder.task, folder.paths),
      module: join(options.package.folder, requireEntry(options.package, request.entry)[0]!),
      cwd: folder.box,
    };
    this.#child.stdin.write(`${JSON.stringify(job)}\n`);
    const { result, stopped, peakMemory } = await supervise(
      this.#child,
      work,
      supervisionOf(request, options),
    );
    // What was printed before the answer lies in the pipes already: two turns of the loop read it.
    await nextTurn();
    await nextTurn();
    const dropped = this.#events.dropped - this.#droppedBefore;
    this.#droppedBefore = this.#events.dropped;
    const report = await recorder.close(
      this.#preparation,
      performance.now() - started,
      peakMemory,
      true,
      dropped,
    );
    if (result !== undefined && 'event' in result) {
      if (result.incapable === true) return incapable;
      return finish(folder, report, result.ok ? undefined : answerError(result, request, options));
    }
    const failure = stopped ?? endedEarly(result!, request, options, report.logTail);
    return finish(folder, report, failure, result);
  }

  /** Kills everything that belongs to it. */
  async stop(): Promise<void> {
    this.usable = false;
    await this.#child.kill();
    await this.#child.exited;
    await removeTree(this.#home);
  }
}

function answerError(answer: WorkerAnswer, request: TaskRequest, options: RunOptions): ConsiliumError {
  const message = answer.error?.message.slice(0, 300) ?? 'no reason given';
  return new ConsiliumError('PKG_TASK_FAILED', `${labelOf(options.package, request)} failed: ${message}`);
}

/** A worker must answer; one that ends instead has failed whatever its exit code. */
function endedEarly(exit: Exit, request: TaskRequest, options: RunOptions, logTail: string): ConsiliumError {
  return (
    exitError(exit, request, options, logTail) ??
    new ConsiliumError(
      'PKG_TASK_FAILED',
      `${labelOf(options.package, request)} ended its worker with exit code 0.`,
    )
  );
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
