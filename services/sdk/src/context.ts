import { writeFileSync } from 'node:fs';
import { ConsiliumError } from '@consilium/protocol/errors';
import type { BackendChoice } from './backend.js';
import type { EventSink } from './events.js';
import { npzToWeights, weightsToNpz } from './npz.js';
import { createRng, type Rng } from './random.js';
import { openState, type State } from './state.js';
import type { TaskFile } from './task.js';
import type { Weighted } from './weight-names.js';

/** Numbers by name. */
export type Metrics = Readonly<Record<string, number>>;

export interface Progress {
  /** Steps done, from 1. */
  readonly step: number;
  readonly steps?: number;
  /** Epoch in work, from 1. */
  readonly epoch?: number;
  readonly epochs?: number;
  readonly metrics?: Metrics;
}

export interface SendOptions {
  /** How many examples were trained on: the weight of this update. Needed in `train`. */
  readonly numExamples?: number;
  readonly metrics?: Metrics;
  /** More for `metadata.json`, such as `{ synthetic: true }`. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** What an entry function works with: the task, and the ways to answer it. */
export interface Context<Config = Readonly<Record<string, unknown>>> {
  readonly task: TaskFile;
  /** Checked against the package's schema by the runner, defaults filled in. */
  readonly config: Config;
  /** The site's data. Throws SDK_DATA_MISSING where the task has none. */
  readonly dataDir: string;
  readonly tmpDir: string;
  /** Randomness of this task; `Math.random` is seeded too, by a stream of its own. */
  readonly rng: Rng;
  readonly backend: BackendChoice;
  readonly state: State;
  /** Loads the global model, or another part of it, into `model`. */
  receiveModel(model: Weighted, part?: string): Promise<void>;
  /** Gives the model back, with the number of examples it was trained on. */
  sendModel(model: Weighted, options?: SendOptions): Promise<void>;
  /** Gives another part of the model back, such as `control`. */
  sendPart(part: string, model: Weighted): Promise<void>;
  /** Gives the result of `validate`. */
  sendMetrics(numExamples: number, metrics: Metrics): void;
  /** Gives the result of `predict`, as JSON. */
  sendPredictions(predictions: unknown): void;
  /** Path of an input file: `weights`, `input` (predict), or another part. */
  input(name: string): string;
  /** Tells how far the work is; shown live. May be called every step: at most 20 a second are sent. */
  progress(progress: Progress): void;
  /** A line that reaches the platform; `console.log` stays at the site. */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
}

function checkCount(value: number | undefined, where: string): number {
  if (value !== undefined && Number.isSafeInteger(value) && value > 0) return value;
  throw new ConsiliumError('SDK_BAD_NUM_EXAMPLES', `It is ${value}.`, { where });
}

function checkMetrics(metrics: Metrics, where: string): Metrics {
  for (const [name, value] of Object.entries(metrics)) {
    if (!Number.isFinite(value)) {
      throw new ConsiliumError('SDK_NOT_FINITE', `Metric ${name} is ${value}.`, { where });
    }
  }
  return metrics;
}

/** Milliseconds between two progress events. */
const progressInterval = 50;

/** Makes the context of a task. `sent` collects the names of the outputs that were written. */
export function createContext<Config>(
  task: TaskFile,
  backend: BackendChoice,
  sink: EventSink,
  sent: Set<string>,
): Context<Config> {
  const where = `${task.entry} of ${task.package?.name ?? 'the package'}`;
  const output = (name: string): string => {
    const path = task.outputs[name];
    if (path === undefined) {
      throw new ConsiliumError('SDK_NO_OUTPUT', `This ${task.entry} task takes no ${name}.`, { where });
    }
    sent.add(name);
    return path;
  };
  const input = (name: string): string => {
    const path = task.inputs[name];
    if (path !== undefined) return path;
    const names = Object.keys(task.inputs).join(', ') || 'nothing';
    throw new ConsiliumError('SDK_DATA_MISSING', `The task brings no ${name}; it brings ${names}.`, {
      where,
    });
  };
  const writeJson = (name: string, value: unknown): void => {
    writeFileSync(output(name), `${JSON.stringify(value)}\n`);
  };
  const folder = (name: 'dataDir' | 'stateDir' | 'tmpDir'): string => {
    const path = task[name];
    if (path) return path;
    throw new ConsiliumError('SDK_DATA_MISSING', `The task has no ${name}.`, { where });
  };
  let state: State | undefined;
  let lastProgress = Number.NEGATIVE_INFINITY;
  return {
    task,
    config: task.config as Config,
    get dataDir() {
      return folder('dataDir');
    },
    get tmpDir() {
      return folder('tmpDir');
    },
    get state() {
      state ??= openState(folder('stateDir'));
      return state;
    },
    rng: createRng(task.seed).derive('package'),
    backend,
    input,
    receiveModel: (model, part = 'weights') => npzToWeights(model, input(part)),
    async sendModel(model, options = {}) {
      const { numExamples, metrics, metadata } = options;
      if (task.entry === 'train') checkCount(numExamples, where);
      if (metrics !== undefined) checkMetrics(metrics, where);
      await weightsToNpz(model, output('weights'));
      if (task.outputs.metadata !== undefined) {
        writeJson('metadata', {
          ...metadata,
          ...(numExamples === undefined ? {} : { num_examples: numExamples }),
          backend: { name: backend.name, device: backend.device },
        });
      }
      if (metrics !== undefined && task.outputs.metrics !== undefined) writeJson('metrics', metrics);
    },
    sendPart: (part, model) => weightsToNpz(model, output(part)),
    sendMetrics(numExamples, metrics) {
      checkCount(numExamples, where);
      writeJson('metrics', { num_examples: numExamples, ...checkMetrics(metrics, where) });
    },
    sendPredictions: (predictions) => writeJson('predictions', predictions),
    progress(progress) {
      // The runner drops what goes beyond its rate; the last step is always told.
      const now = performance.now();
      if (now - lastProgress < progressInterval && progress.step !== progress.steps) return;
      lastProgress = now;
      sink({ event: 'progress', ...progress });
    },
    log: (level, message) => sink({ event: 'log', level, message }),
  };
}
