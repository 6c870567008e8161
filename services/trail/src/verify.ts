import { weightedMean } from '@consilium/aggregation';
import { canonicalJson, Digester, digestOf } from '@consilium/platform';
import { buckets, type Heads, objectKeys } from '@consilium/protocol';
import { claimProblems, weightedMetrics } from './claims.js';
import { digestOfObject, type TrailSource } from './source.js';
import { asTrailError, finding, type TrailFinding, type TrailModel, walkSession } from './walk.js';

export interface VerifyOptions {
  /** Public key of the reducer, from the caller: the trust anchor. */
  readonly key: string;
  /** Recompute each model from its kept updates. Default true. */
  readonly recompute?: boolean;
  /** Keys of sites that the caller knows, by client name. */
  readonly siteKeys?: ReadonlyMap<string, string>;
  readonly onModel?: (number: number, total: number) => void;
}

export interface VerifyResult {
  readonly session: string;
  readonly heads: Heads | undefined;
  readonly models: readonly TrailModel[];
  readonly recomputed: number;
  /** Empty: everything holds. */
  readonly findings: readonly TrailFinding[];
  /** Not wrong, but not part of the trail: left by a reducer that died before its commit. */
  readonly orphans: readonly string[];
}

/**
 * Checks a session's whole trail: the chain, every signature and digest, every site's claim, the best
 * model, the packages, and by recomputing the weights themselves.
 * @throws TRAIL_NO_SESSION, and errors of the store itself
 */
export async function verifySession(
  trail: TrailSource,
  session: string,
  options: VerifyOptions,
): Promise<VerifyResult> {
  const walk = await walkSession(trail, session, options.key);
  const findings: TrailFinding[] = [...walk.findings];
  const packages = new Set<string>();
  let recomputed = 0;
  let base: string | undefined;
  for (const model of walk.models) {
    const { content } = model.manifest;
    findings.push(...(await checkWeights(trail, model)));
    findings.push(...checkContent(model, base, options.siteKeys));
    const { name, version, digest, manifest } = content.package;
    if (!packages.has(digest)) {
      packages.add(digest);
      findings.push(...(await checkPackage(trail, name, version, digest, manifest)));
    }
    if (content.number > 0 && content.spec.keep_updates && options.recompute !== false) {
      const problems = await recompute(trail, model);
      findings.push(...problems);
      if (problems.length === 0) recomputed += 1;
    }
    base = content.weights.digest;
    options.onModel?.(content.number, walk.heads?.content.count ?? walk.models.length);
  }
  findings.push(...checkBest(walk.heads, walk.models));
  return { session, heads: walk.heads, models: walk.models, recomputed, findings, orphans: walk.orphans };
}

async function checkWeights(trail: TrailSource, model: TrailModel): Promise<TrailFinding[]> {
  const { content } = model.manifest;
  const where = `${model.folder}/weights.npz`;
  return expectObject(
    trail,
    buckets.models,
    where,
    content.weights.digest,
    'TRAIL_BAD_WEIGHTS',
    content.number,
  );
}

async function checkPackage(
  trail: TrailSource,
  name: string,
  version: string,
  digest: string,
  manifest: string,
): Promise<TrailFinding[]> {
  const archive = objectKeys.packageArchive(name, version);
  const description = objectKeys.packageManifest(name, version);
  return [
    ...(await expectObject(trail, buckets.packages, archive, digest, 'TRAIL_BAD_PACKAGE', null)),
    ...(await expectObject(trail, buckets.packages, description, manifest, 'TRAIL_BAD_PACKAGE', null)),
  ];
}

async function expectObject(
  trail: TrailSource,
  bucket: string,
  key: string,
  digest: string,
  code: 'TRAIL_BAD_WEIGHTS' | 'TRAIL_BAD_PACKAGE' | 'TRAIL_BAD_UPDATE',
  number: number | null,
): Promise<TrailFinding[]> {
  try {
    const found = await digestOfObject(trail, bucket, key);
    if (found.digest === digest) return [];
    return [
      finding(code, `It has digest ${found.digest}, signed was ${digest}.`, `${bucket}/${key}`, number),
    ];
  } catch (error) {
    return [{ error: asTrailError(error, code, `${bucket}/${key}`), number }];
  }
}

/** Everything that the signed content says of itself: sums, metrics, configuration, claims. */
function checkContent(
  model: TrailModel,
  base: string | undefined,
  siteKeys: ReadonlyMap<string, string> | undefined,
): TrailFinding[] {
  const { content } = model.manifest;
  const where = `${model.folder}/manifest.json`;
  const bad = (code: 'TRAIL_BAD_CLAIM' | 'TRAIL_BAD_SUM', detail: string) =>
    finding(code, detail, where, content.number);
  const findings = claimProblems(content, base, siteKeys).map((text) => bad('TRAIL_BAD_CLAIM', `${text}.`));
  const examples = content.contributions.reduce((sum, c) => sum + c.signed.claim.num_examples, 0);
  if (examples !== content.num_examples) {
    findings.push(
      bad('TRAIL_BAD_SUM', `Its contributions have ${examples} examples, it says ${content.num_examples}.`),
    );
  }
  if (content.number > 0 && content.contributions.length === 0) {
    findings.push(bad('TRAIL_BAD_SUM', 'It has no contributions.'));
  }
  const configuration = digestOf(new TextEncoder().encode(canonicalJson(content.spec)));
  if (configuration !== content.configuration) {
    findings.push(
      bad('TRAIL_BAD_SUM', `Its declaration has digest ${configuration}, it says ${content.configuration}.`),
    );
  }
  const validation = weightedMetrics(content.validation.map((signed) => signed.claim));
  const training = weightedMetrics(content.contributions.map((c) => c.signed.claim));
  if (canonicalJson(validation) !== canonicalJson(content.metrics)) {
    findings.push(bad('TRAIL_BAD_SUM', 'Its metrics are not the weighted means of the validation claims.'));
  }
  if (canonicalJson(training) !== canonicalJson(content.training_metrics)) {
    findings.push(
      bad('TRAIL_BAD_SUM', 'Its training metrics are not the weighted means of the training claims.'),
    );
  }
  return findings;
}

/** Aggregates the kept updates again and compares every byte of the result by its digest. */
async function recompute(trail: TrailSource, model: TrailModel): Promise<TrailFinding[]> {
  const { content } = model.manifest;
  const findings: TrailFinding[] = [];
  for (const { update_key: key, signed } of content.contributions) {
    const digest = signed.claim.update;
    if (digest === undefined) return findings;
    findings.push(
      ...(await expectObject(trail, buckets.work, key, digest, 'TRAIL_BAD_UPDATE', content.number)),
    );
  }
  if (findings.length > 0 || content.contributions.length === 0) return findings;
  const updates = await Promise.all(
    content.contributions.map(async (c) => ({
      source: await trail.ranges(buckets.work, c.update_key),
      weight: c.weight,
      label: c.client,
    })),
  );
  const digester = new Digester();
  for await (const chunk of weightedMean(updates)) digester.update(chunk);
  const digest = digester.digest();
  if (digest === content.weights.digest) return [];
  const detail = `Recomputed ${digest}, committed ${content.weights.digest}.`;
  return [finding('TRAIL_NOT_RECOMPUTED', detail, model.folder, content.number)];
}

/** The best model must exist, have the value that heads says, and be beaten by none. */
function checkBest(heads: Heads | undefined, models: readonly TrailModel[]): TrailFinding[] {
  const best = heads?.content.best;
  if (heads === undefined || best === undefined || best === null) return [];
  const where = objectKeys.heads(heads.content.session);
  const bad = (detail: string) => [finding('TRAIL_BAD_BEST', detail, where, best.number)];
  const model = models.find((m) => m.manifest.id === best.id);
  if (model === undefined) return bad(`Model ${best.id} is not in the chain.`);
  if (model.manifest.content.metrics[best.metric] !== best.value) {
    return bad(
      `Its ${best.metric} is ${model.manifest.content.metrics[best.metric]}, heads says ${best.value}.`,
    );
  }
  const sign = model.manifest.content.spec.selection?.direction === 'minimize' ? -1 : 1;
  for (const { manifest } of models) {
    const value = manifest.content.metrics[best.metric];
    if (value !== undefined && sign * value > sign * best.value) {
      return bad(`Model ${manifest.content.number} has a better ${best.metric}: ${value}.`);
    }
  }
  return [];
}
