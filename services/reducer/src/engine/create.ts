import { randomBytes } from 'node:crypto';
import { checkUpdate } from '@consilium/aggregation';
import { resolveConfig } from '@consilium/package-runner';
import { canonicalJson, digestOf, type KvBucket, objectSource } from '@consilium/platform';
import {
  buckets,
  ConsiliumError,
  type ObjectRef,
  objectKeys,
  type SessionCreate,
  type SessionEvent,
  type SessionRecord,
  type SessionSpec,
} from '@consilium/protocol';
import { openNpz } from '@consilium/tensor';
import type { PackageRegistry, RegisteredPackage } from '../registry/registry.js';
import { type TrailWriter, weightsOf, writeHeads, writeModel } from './commit.js';
import { seedContent } from './content.js';
import { sessionEvent } from './sessions.js';

export interface CreateDeps {
  readonly sessions: KvBucket<SessionRecord>;
  readonly writer: TrailWriter;
  readonly registry: PackageRegistry;
  readonly publish: (event: SessionEvent) => void;
  readonly now: () => number;
}

/**
 * Checks a declaration and its seed, commits the seed as model 0 and stores the session's record. Nothing
 * exists until the record does: a crash before leaves objects that nobody names.
 *
 * @throws SESSION_EXISTS, SESSION_NO_PACKAGE, SESSION_BAD_SPEC, SESSION_IMPOSSIBLE, SESSION_BAD_SEED, PKG_BAD_CONFIG
 */
export async function createSession(
  deps: CreateDeps,
  request: SessionCreate,
  by: string,
): Promise<SessionRecord> {
  const { name, version } = request.spec.package;
  const registered = await deps.registry.get(name, version);
  const id = request.spec.name ?? `${name.slice(0, 40)}-${freshSuffix()}`;
  if ((await deps.sessions.get(id)) !== undefined) {
    throw new ConsiliumError('SESSION_EXISTS', `"${id}" is taken.`, { where: 'name' });
  }
  if (await hasHeads(deps.writer, id)) {
    const detail = `The model trail has models of "${id}"; a second history under that name could not be verified.`;
    throw new ConsiliumError('SESSION_EXISTS', detail, { where: 'name' });
  }
  const spec = resolveSpec({ ...request.spec, name: id }, registered);
  const seed = await checkSeed(deps, request.seed);
  const at = new Date(deps.now()).toISOString();
  const configuration = digestOf(Buffer.from(canonicalJson(spec)));
  const partial = { id, spec, configuration, package: registered.ref, updated_at: at };
  const weights = await weightsOf(deps.writer.store, seed);
  const content = seedContent(partial, weights, deps.writer.identity.publicKey);
  const model = await writeModel(deps.writer, content, seed).catch((error: unknown) => {
    // S3 does not prove the digest of a multipart upload: this copy is the first to read all of it.
    const isOther = error instanceof ConsiliumError && /^STORE_(DIGEST|SIZE)_MISMATCH$/.test(error.code);
    if (!isOther) throw error;
    throw new ConsiliumError('SESSION_BAD_SEED', error.detail, { where: 'seed', cause: error });
  });
  const record: SessionRecord = {
    schema: 1,
    ...partial,
    state: 'waiting',
    reason: null,
    round: 1,
    attempt: 0,
    epoch: 0,
    head: model.head,
    head_weights: model.weights,
    best: null,
    cohorts: [],
    deadline: null,
    candidate: null,
    reports: [],
    validation_reports: [],
    stop_requested: false,
    created_at: at,
    created_by: by,
  };
  await storeNew(deps, record);
  deps.publish(sessionEvent(record, at, { event: 'session.created', by }));
  await writeHeads(deps.writer, record, at);
  return record;
}

/** Heads outlive the record: NATS may have been lost and not been restored from the trail. */
async function hasHeads({ store }: TrailWriter, session: string): Promise<boolean> {
  try {
    await store.head(buckets.models, objectKeys.heads(session));
    return true;
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === 'STORE_NOT_FOUND') return false;
    throw error;
  }
}

async function storeNew(deps: CreateDeps, record: SessionRecord): Promise<void> {
  try {
    await deps.sessions.create(record.id, record);
  } catch (error) {
    if (!(error instanceof ConsiliumError && error.code === 'BUS_CONFLICT')) throw error;
    throw new ConsiliumError('SESSION_EXISTS', `"${record.id}" is taken.`, { where: 'name' });
  }
}

/** Fills in what the package decides, and refuses what cannot happen. */
export function resolveSpec(spec: SessionSpec, { manifest }: RegisteredPackage): SessionSpec {
  const { config, entry, metrics } = manifest.content;
  const needs = ['train', ...(isEvaluated(spec) ? (['validate'] as const) : [])] as const;
  for (const name of needs) {
    if (entry[name] !== undefined) continue;
    const detail = `The package has no ${name} entry.`;
    const fix =
      name === 'validate'
        ? 'Switch evaluation off: evaluation.fraction=0 and evaluation.minimum=0.'
        : undefined;
    throw new ConsiliumError('SESSION_IMPOSSIBLE', detail, {
      where: 'package',
      ...(fix === undefined ? {} : { fix }),
    });
  }
  if (spec.selection !== undefined && !isEvaluated(spec)) {
    const detail = 'selection chooses by a validation metric, but evaluation is off.';
    throw new ConsiliumError('SESSION_IMPOSSIBLE', detail, { where: 'selection, evaluation' });
  }
  if (spec.training.fraction === 0 && spec.training.minimum === 0) {
    throw new ConsiliumError('SESSION_IMPOSSIBLE', 'Training is off, so no round could end.', {
      where: 'training',
    });
  }
  const resolved = { ...spec, config: resolveConfig(config, spec.config) };
  if (spec.selection !== undefined || metrics === undefined || !isEvaluated(spec)) return resolved;
  const direction = metrics.maximize ? 'maximize' : 'minimize';
  return { ...resolved, selection: { metric: metrics.primary, direction } };
}

function isEvaluated(spec: SessionSpec): boolean {
  return spec.evaluation.fraction > 0 || spec.evaluation.minimum > 0;
}

async function checkSeed(deps: CreateDeps, seed: SessionCreate['seed']): Promise<ObjectRef> {
  const ref = { bucket: buckets.work, key: objectKeys.upload(seed.digest), ...seed };
  const where = 'seed';
  try {
    const source = await objectSource(deps.writer.store, ref.bucket, ref.key);
    if (source.size !== seed.size) {
      throw new ConsiliumError('SESSION_BAD_SEED', `It has ${source.size} bytes, not ${seed.size}.`, {
        where,
      });
    }
    const { entries } = await openNpz(source);
    const { parameters } = await checkUpdate(source, entries, { weight: 1, label: 'seed' });
    if (parameters === 0) throw new ConsiliumError('SESSION_BAD_SEED', 'It has no parameters.', { where });
  } catch (error) {
    if (!(error instanceof ConsiliumError)) throw error;
    if (error.code === 'STORE_NOT_FOUND') {
      throw new ConsiliumError('SESSION_BAD_SEED', `${seed.digest} was not uploaded.`, {
        where,
        cause: error,
      });
    }
    if (!/^(NPZ|AGG)_/.test(error.code)) throw error;
    throw new ConsiliumError('SESSION_BAD_SEED', `${error.code}: ${error.message}`, { where, cause: error });
  }
  return ref;
}

function freshSuffix(): string {
  return randomBytes(4).toString('hex');
}
