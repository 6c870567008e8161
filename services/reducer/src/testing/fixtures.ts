import { finishMean, partialSum } from '@consilium/aggregation';
import {
  createIdentity,
  digestOf,
  type Identity,
  type Logger,
  objectSource,
  signDocument,
} from '@consilium/platform';
import {
  buckets,
  type ObjectRef,
  objectKeys,
  type PackageRef,
  purposes,
  type Report,
  type ReportObject,
  type ResultClaim,
  type SessionRecord,
  type SessionSpecInput,
  sessionSpecSchema,
} from '@consilium/protocol';
import { bufferSource, collect, openNpz, writeNpz } from '@consilium/tensor';
import { phaseOf } from '../engine/machine.js';
import type { StepDeps } from '../engine/step.js';
import type { MemoryStore } from './memory-store.js';

export const digest = `sha256:${'a'.repeat(64)}`;
export const start = Date.parse('2026-01-01T00:00:00.000Z');
export const publisher = createIdentity('user');

export const silent = { info() {}, warn() {}, error() {}, debug() {} } as unknown as Logger;

export function spec(input: Partial<SessionSpecInput> = {}) {
  return sessionSpecSchema.parse({
    name: 's',
    package: { name: 'p', version: '1.0.0' },
    rounds: 2,
    ...input,
  });
}

export function sessionRecord(change: Partial<SessionRecord> = {}): SessionRecord {
  const object = { bucket: buckets.work, key: 'k', digest, size: 1 };
  const at = new Date(start).toISOString();
  return {
    schema: 1,
    id: 's',
    spec: spec(),
    configuration: digest,
    package: { name: 'p', version: '1.0.0', archive: object, manifest: object },
    state: 'waiting',
    reason: null,
    round: 1,
    attempt: 0,
    epoch: 0,
    head: { number: 0, id: 'a'.repeat(64), manifest_digest: digest },
    head_weights: object,
    best: null,
    cohorts: [],
    deadline: null,
    candidate: null,
    reports: [],
    validation_reports: [],
    stop_requested: false,
    created_at: at,
    created_by: 'someone',
    updated_at: at,
    ...change,
  };
}

export async function putObject(
  store: MemoryStore,
  bucket: ObjectRef['bucket'],
  key: string,
  bytes: Uint8Array,
): Promise<ObjectRef> {
  await store.put(bucket, key, bytes);
  return { bucket, key, digest: digestOf(bytes), size: bytes.length };
}

/** An npz of one matrix. */
export function modelBytes(values: readonly number[]): Promise<Uint8Array> {
  const data = Float32Array.from(values);
  return collect(writeNpz([{ name: 'dense/kernel', dtype: 'float32', shape: [data.length], data }]));
}

export function claimOf(client: string, change: Partial<ResultClaim> = {}): ResultClaim {
  return {
    schema: 1,
    kind: 'train',
    session: 's',
    round: 1,
    attempt: 0,
    client,
    base: digest,
    package: digest,
    num_examples: 10,
    metrics: { loss: 0.5 },
    data_set: { name: 'data', files: 1, bytes: 1, digest },
    execution: { backend: 'cpu', isolation: 'none', duration_ms: 1 },
    completed_at: new Date(start).toISOString(),
    ...change,
  };
}

export function signed(claim: ResultClaim, identity: Identity) {
  const { key, value } = signDocument(purposes.result, claim, identity);
  return { claim, key, signature: value };
}

export function reportObject(change: Partial<ReportObject> = {}): ReportObject {
  return {
    schema: 1,
    combiner: 'one',
    epoch: 1,
    kind: 'train',
    session: 's',
    round: 1,
    attempt: 0,
    results: [],
    absences: [],
    partial: null,
    ...change,
  };
}

/**
 * What combiners and clients do, once: every client of every cohort sends an update (or its metrics), and each
 * combiner closes. Gives the reports by combiner, as the reducer sees them.
 */
export async function closePhase(
  store: MemoryStore,
  record: SessionRecord,
  site: (client: string) => { identity: Identity; value: number; examples: number },
): Promise<Map<string, Report>> {
  const phase = phaseOf(record)!;
  const input = phase.kind === 'train' ? record.head_weights : record.candidate!;
  const base = await openNpz(await objectSource(store.asStore, input.bucket, input.key));
  const reports = new Map<string, Report>();
  for (const { combiner, clients } of record.cohorts) {
    const results: ReportObject['results'] = [];
    const updates: { bytes: Uint8Array; weight: number }[] = [];
    for (const client of clients) {
      const { identity, value, examples } = site(client);
      const common = { ...phase, base: input.digest, package: record.package.archive.digest };
      const claim = claimOf(client, {
        ...common,
        num_examples: examples,
        metrics: phase.kind === 'train' ? { loss: value } : { accuracy: 0.5 + record.round / 10 },
      });
      if (phase.kind === 'validate') {
        results.push({ client, weight: examples, signed: signed(claim, identity), update: null });
        continue;
      }
      const bytes = await modelBytes([value, value * record.round]);
      const key = objectKeys.update(phase, client, digestOf(bytes));
      const update = await putObject(store, buckets.work, key, bytes);
      updates.push({ bytes, weight: examples });
      const done = signed({ ...claim, update: update.digest }, identity);
      results.push({ client, weight: examples, signed: done, update });
    }
    const sums = updates.map(({ bytes, weight }) => ({
      source: bufferSource(bytes),
      weight,
      label: 'update',
    }));
    const partial =
      sums.length === 0
        ? null
        : await collect(partialSum(sums, base.entries)).then((bytes) =>
            putObject(
              store,
              buckets.work,
              objectKeys.partial(phase, combiner, record.epoch, digestOf(bytes)),
              bytes,
            ),
          );
    const body = Buffer.from(
      JSON.stringify(reportObject({ ...phase, combiner, epoch: record.epoch, results, partial })),
    );
    const key = objectKeys.report(phase, combiner, record.epoch, digestOf(body));
    const result = await putObject(store, buckets.work, key, body);
    const count = results.length;
    reports.set(combiner, {
      ...{ schema: 1, combiner, epoch: record.epoch, state: 'closed', asked: count, done: count },
      ...{ failed: 0, result, error: null, at: new Date(start).toISOString() },
    });
  }
  return reports;
}

/** What the aggregation thread does, here and now. */
export function reduceHere(store: MemoryStore): StepDeps['reduce'] {
  return async ({ session, round, base, partials }) => {
    const { entries } = await openNpz(await objectSource(store.asStore, base.bucket, base.key));
    const inputs = await Promise.all(
      partials.map(async ({ bucket, key }) => ({
        source: await objectSource(store.asStore, bucket, key),
        label: key,
      })),
    );
    const bytes = await collect(finishMean(inputs, entries));
    const key = objectKeys.candidate(session, round, digestOf(bytes));
    return putObject(store, buckets.work, key, bytes);
  };
}

/** A package as the registry keeps it: two objects. */
export async function putPackage(
  store: MemoryStore,
  archive: Uint8Array,
  manifest: Uint8Array,
): Promise<PackageRef> {
  const [name, version] = ['p', '1.0.0'];
  return {
    name,
    version,
    archive: await putObject(store, buckets.packages, objectKeys.packageArchive(name, version), archive),
    manifest: await putObject(store, buckets.packages, objectKeys.packageManifest(name, version), manifest),
  };
}
