import type { StoreConfig } from '@consilium/platform';
import type { ErrorBody, ObjectRef, PhaseRef } from '@consilium/protocol';
import type { WeightedUpdate } from '../report-object.js';

/** Look through one update, in one pass over its bytes. */
export interface CheckJob {
  readonly type: 'check';
  readonly base: ObjectRef;
  readonly update: ObjectRef;
  /** Whose it is, for errors. */
  readonly client: string;
  /** The weight it will count with: products that cannot be summed exactly are refused here. */
  readonly weight: number;
  readonly maxNorm: number | null;
}

/** Sum the accepted updates of a cohort and put the sums into the store. */
export interface PartialJob {
  readonly type: 'partial';
  readonly phase: PhaseRef;
  readonly combiner: string;
  readonly epoch: number;
  readonly base: ObjectRef;
  readonly updates: readonly WeightedUpdate[];
}

export type Job = CheckJob | PartialJob;

/** Given to the thread when it starts; it makes its own connection to the store. */
export interface WorkerSetup {
  readonly store: StoreConfig;
  /** Folder for partials on their way to the store. */
  readonly tempDir: string;
  /** Bytes this thread may use for slices of models. */
  readonly memory: number;
}

export interface JobMessage {
  readonly id: number;
  readonly job: Job;
}

/** Errors cross the thread boundary as bodies: a structured clone would lose their class. */
export type JobAnswer =
  | { readonly id: number; readonly result: ObjectRef | null }
  | { readonly id: number; readonly error: ErrorBody };

/** The heavy work of a combiner, away from the thread that answers clients. */
export interface HeavyWork {
  /** @throws ConsiliumError: why the update is refused, or a transient STORE_ error. */
  check(job: Omit<CheckJob, 'type'>): Promise<void>;
  /** @returns where the partial lies. The same bytes for the same updates, whoever makes it. */
  partial(job: Omit<PartialJob, 'type'>): Promise<ObjectRef>;
}
