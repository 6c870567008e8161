import type { ConsiliumError } from '@consilium/protocol';

/** Version of the process contract, `docs/reference/compute-package.md`. */
export const contractVersion = 1;

export const entryNames = ['init', 'train', 'validate', 'predict'] as const;
export type EntryName = (typeof entryNames)[number];

export type Accelerator = 'none' | 'optional' | 'required';

/** `task.json`, exactly as a package's process reads it. Paths are absolute. */
export interface TaskFile {
  readonly contract: typeof contractVersion;
  readonly entry: EntryName;
  readonly session: string;
  readonly round: number;
  readonly site: string;
  readonly package: { readonly name: string; readonly version: string; readonly digest: string | null };
  readonly config: Readonly<Record<string, unknown>>;
  readonly dataDir: string | null;
  readonly stateDir: string;
  readonly tmpDir: string;
  /** 0 … 2³¹−1 */
  readonly seed: number;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly accelerator: Accelerator;
  readonly threads: number;
}

/** What a caller asks for; the runner adds the task folder and the output paths. */
export interface TaskRequest {
  readonly entry: EntryName;
  readonly session: string;
  readonly round: number;
  readonly site: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly dataDir?: string;
  /** Private state of this site, session and package; made when it is not there. */
  readonly stateDir: string;
  readonly seed: number;
  /** Model parts by name (`weights`, …), and `input` for predict. Read-only for the package. */
  readonly inputs?: Readonly<Record<string, string>>;
}

/** Events on file descriptor 3, checked and bounded. */
export type TaskEvent =
  | { readonly event: 'backend'; readonly name: string; readonly device?: string }
  | {
      readonly event: 'progress';
      readonly step?: number;
      readonly steps?: number;
      readonly epoch?: number;
      readonly epochs?: number;
      readonly metrics?: Readonly<Record<string, number>>;
    }
  | { readonly event: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly message: string };

export type Isolation = 'bubblewrap' | 'process';

export interface TaskReport {
  /** What a `backend` event said. */
  readonly backend?: { readonly name: string; readonly device?: string };
  readonly isolation: Isolation;
  readonly durationMs: number;
  /** Highest resident memory of all its processes together, bytes; missing where it cannot be measured. */
  readonly peakMemory?: number;
  /** Last lines of standard output and standard error, at most 16 KiB. */
  readonly logTail: string;
  /** Events that were too long, too many or not understood. */
  readonly droppedEvents: number;
  /** Whether a warm worker ran it. */
  readonly warm: boolean;
}

/** A task that did its work. The files stay until `remove()`. */
export interface TaskDone extends TaskReport {
  readonly ok: true;
  /** Model parts by name; empty for validate and predict. */
  readonly parts: Readonly<Record<string, string>>;
  /** predict: path of the predictions. */
  readonly predictions?: string;
  /** May hold NaN and infinities. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Flat numbers without `num_examples`; may hold NaN and infinities. */
  readonly metrics: Readonly<Record<string, number>>;
  /** From the metadata (train) or the metrics (validate). */
  readonly numExamples?: number;
  /** Removes the task folder with everything in it. */
  remove(): Promise<void>;
}

/** A task that failed. Its folder is gone. `error` is one of PKG_TASK_*, PKG_OUTPUT_*. */
export interface TaskFailed extends TaskReport {
  readonly ok: false;
  readonly error: ConsiliumError;
  readonly exitCode?: number;
  readonly signal?: string;
}

export type TaskResult = TaskDone | TaskFailed;
