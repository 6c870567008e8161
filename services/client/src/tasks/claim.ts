import type { TaskDone } from '@consilium/package-runner';
import { type Identity, signDocument } from '@consilium/platform';
import {
  ConsiliumError,
  type DataSet,
  largestMetric,
  purposes,
  type ResultClaim,
  resultClaimSchema,
  type SignedClaim,
  type Task,
} from '@consilium/protocol';

export interface ClaimParts {
  readonly task: Task;
  readonly done: Pick<
    TaskDone,
    'backend' | 'isolation' | 'durationMs' | 'metrics' | 'metadata' | 'numExamples'
  >;
  readonly dataSet: DataSet;
  /** Digest of the canonical update; train only. */
  readonly update?: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Metrics that are no finite numbers, or beyond what the protocol carries, cannot be signed or averaged. */
export function splitMetrics(metrics: Readonly<Record<string, number>>): {
  finite: Record<string, number>;
  dropped: string[];
} {
  // Not even a name like __proto__ gets lost between here and the combiner: the signature would not fit.
  const usable = ([name, value]: [string, number]): boolean =>
    Math.abs(value) <= largestMetric && name !== '__proto__';
  const entries = Object.entries(metrics);
  return {
    finite: Object.fromEntries(entries.filter(usable)),
    dropped: entries.filter((entry) => !usable(entry)).map(([name]) => name),
  };
}

/**
 * What the site says about its result.
 * @throws ConsiliumError CLIENT_UPDATE_INVALID when what the package reported does not fit (counts, names)
 */
export function makeClaim({ task, done, dataSet, update, now }: ClaimParts): ResultClaim {
  const base = task.inputs.weights;
  if (base === undefined) {
    throw new ConsiliumError('BUS_BAD_MESSAGE', 'The task names no weights.', { where: task.id });
  }
  const claim: ResultClaim = {
    schema: 1,
    kind: task.kind,
    session: task.session,
    round: task.round,
    attempt: task.attempt,
    client: task.client,
    base: base.digest,
    package: task.package.archive.digest,
    ...(update === undefined ? {} : { update }),
    num_examples: done.numExamples ?? 0,
    metrics: splitMetrics(done.metrics).finite,
    data_set: dataSet,
    execution: {
      backend: (done.backend?.name ?? 'not stated').slice(0, 100),
      ...(done.backend?.device === undefined ? {} : { device: done.backend.device.slice(0, 200) }),
      isolation: done.isolation,
      duration_ms: done.durationMs,
      ...(done.metadata.synthetic === true ? { synthetic: true } : {}),
    },
    completed_at: new Date(now).toISOString(),
  };
  const checked = resultClaimSchema.safeParse(claim);
  if (checked.success) return claim;
  const issue = checked.error.issues[0];
  const field = issue?.path.map(String).join('.') ?? '';
  throw new ConsiliumError('CLIENT_UPDATE_INVALID', `${field}: ${issue?.message ?? 'not valid'}.`, {
    where: `result of ${task.id}`,
  });
}

export function signClaim(claim: ResultClaim, identity: Identity): SignedClaim {
  const { key, value } = signDocument(purposes.result, claim, identity);
  return { claim, key, signature: value };
}
