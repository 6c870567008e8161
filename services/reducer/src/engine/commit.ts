import { digestOf, type Identity, type ObjectStore, objectSource } from '@consilium/platform';
import {
  buckets,
  ConsiliumError,
  type Heads,
  type ManifestContent,
  type ModelHead,
  type ObjectRef,
  objectKeys,
  type SessionRecord,
} from '@consilium/protocol';
import { openNpz } from '@consilium/tensor';
import { documentBytes, makeHeads, makeManifest, readHeads } from '@consilium/trail';
import { headOf, isBetter, roundContent, type Weights } from './content.js';
import { readReports } from './reports.js';

export interface TrailWriter {
  readonly store: ObjectStore;
  readonly identity: Identity;
}

/** What a model's objects are, once both are in the store. Not committed until the session's record says so. */
export interface WrittenModel {
  readonly content: ManifestContent;
  readonly head: ModelHead;
  readonly weights: ObjectRef;
}

/** Counts and names the parameters of an npz object; its bytes were checked when they were made. */
export async function weightsOf(store: ObjectStore, ref: ObjectRef): Promise<Weights> {
  const reader = await openNpz(await objectSource(store, ref.bucket, ref.key));
  const parameters = reader.entries.reduce(
    (sum, { shape }) => sum + shape.reduce((n, extent) => n * extent, 1),
    0,
  );
  return { digest: ref.digest, size: ref.size, parameters };
}

/**
 * Writes weights and manifest of a model to their place in the trail. Write-once and repeatable: the same
 * content gives the same keys and bytes, so a second reducer or a restart changes nothing.
 */
export async function writeModel(
  writer: TrailWriter,
  content: ManifestContent,
  from: ObjectRef,
): Promise<WrittenModel> {
  const { store, identity } = writer;
  const manifest = makeManifest(content, identity);
  const { session, number } = content;
  const weightsKey = objectKeys.weights(session, number, manifest.id);
  await unlessThere(async () => {
    const source = await store.get(from.bucket, from.key);
    const checks = { size: from.size, digest: from.digest, writeOnce: true };
    // Where the object exists already the body is not read, and would keep its connection.
    await store.put(buckets.models, weightsKey, source.body, checks).finally(() => source.cancel());
  });
  const bytes = documentBytes(manifest);
  const manifestKey = objectKeys.manifest(session, number, manifest.id);
  const contentType = 'application/json';
  await unlessThere(() => store.put(buckets.models, manifestKey, bytes, { writeOnce: true, contentType }));
  const weights = { bucket: buckets.models, key: weightsKey, digest: from.digest, size: from.size };
  return { content, head: headOf(content, manifest.id, digestOf(bytes)), weights };
}

async function unlessThere(put: () => Promise<unknown>): Promise<void> {
  try {
    await put();
  } catch (error) {
    // The key holds the model's id, so whatever is there has this very content.
    if (!(error instanceof ConsiliumError && error.code === 'STORE_EXISTS')) throw error;
  }
}

/** Writes the round's model and gives the record that commits it. */
export async function prepareCommit(
  writer: TrailWriter,
  record: SessionRecord,
): Promise<{ model: WrittenModel; next: SessionRecord; isBest: boolean }> {
  if (record.candidate === null)
    throw new ConsiliumError('INTERNAL', `Session ${record.id} has no candidate.`);
  const training = await readReports(writer.store, record, 'train', record.reports);
  const validation = await readReports(writer.store, record, 'validate', record.validation_reports);
  const weights = await weightsOf(writer.store, record.candidate);
  const content = roundContent(record, training, validation, weights, writer.identity.publicKey);
  const model = await writeModel(writer, content, record.candidate);
  const { selection } = record.spec;
  const isBest = isBetter(selection, content.metrics, record.best);
  const metric = selection?.metric ?? '';
  const next: SessionRecord = {
    ...record,
    state: 'waiting',
    reason: null,
    round: record.round + 1,
    attempt: 0,
    head: model.head,
    head_weights: model.weights,
    best: isBest ? { ...model.head, metric, value: content.metrics[metric]! } : record.best,
    cohorts: [],
    deadline: null,
    candidate: null,
    reports: [],
    validation_reports: [],
  };
  return { model, next, isBest };
}

/**
 * Brings `heads/<session>.json` up to the record. The record is the truth; heads follows it, never goes
 * back, and is written again after a crash in between.
 */
export async function writeHeads(writer: TrailWriter, record: SessionRecord, at: string): Promise<void> {
  const { store, identity } = writer;
  const key = objectKeys.heads(record.id);
  const content: Heads['content'] = {
    schema: 1,
    session: record.id,
    sequence: record.head.number + 1,
    count: record.head.number + 1,
    latest: record.head,
    best: record.best,
    updated_at: at,
  };
  const bytes = documentBytes(makeHeads(content, identity));
  for (let tries = 0; ; tries += 1) {
    const current = await readCurrentHeads(store, key, identity.publicKey);
    if (current !== undefined && current.sequence >= content.sequence) return;
    const guard = current === undefined ? { writeOnce: true } : { ifMatch: current.etag };
    try {
      await store.put(buckets.models, key, bytes, { ...guard, contentType: 'application/json' });
      return;
    } catch (error) {
      const code = error instanceof ConsiliumError ? error.code : '';
      // Another reducer, or the request that made the session, wrote it just now: look again.
      if ((code !== 'STORE_EXISTS' && code !== 'STORE_PRECONDITION') || tries >= 10) throw error;
    }
  }
}

async function readCurrentHeads(
  store: ObjectStore,
  key: string,
  reducerKey: string,
): Promise<{ sequence: number; etag: string } | undefined> {
  try {
    const { info, body } = await store.get(buckets.models, key);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    try {
      return {
        sequence: readHeads(Buffer.concat(chunks), reducerKey, key).content.sequence,
        etag: info.etag,
      };
    } catch {
      // Damaged or forged: it can be rebuilt from the record, so it is replaced.
      return { sequence: 0, etag: info.etag };
    }
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === 'STORE_NOT_FOUND') return undefined;
    throw error;
  }
}
