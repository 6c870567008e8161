import { weightedMean } from '@consilium/aggregation';
import { canonicalJson, createIdentity, digestOf, type Identity, signDocument } from '@consilium/platform';
import {
  buckets,
  ConsiliumError,
  type Contribution,
  type ManifestContent,
  type ModelHead,
  objectKeys,
  purposes,
  type ResultClaim,
  type SignedClaim,
  sessionSpecSchema,
} from '@consilium/protocol';
import { bufferSource, collect, tensorFrom, writeNpz } from '@consilium/tensor';
import { weightedMetrics } from '../claims.js';
import { documentBytes, makeHeads, makeManifest } from '../documents.js';
import type { TrailSource } from '../source.js';

/** A whole trail in memory, made with real keys, real npz files and the real aggregation. */
export interface SampleTrail {
  readonly objects: Map<string, Uint8Array>;
  readonly reducer: Identity;
  readonly sites: ReadonlyMap<string, Identity>;
  readonly heads: readonly ModelHead[];
  readonly source: TrailSource;
}

const examples: Readonly<Record<string, number>> = { east: 30, west: 12 };
const session = 'sample';
const at = '2026-01-01T00:00:00.000Z';

export async function sampleTrail(rounds: number): Promise<SampleTrail> {
  const objects = new Map<string, Uint8Array>();
  const reducer = createIdentity('user');
  const sites = new Map(Object.keys(examples).map((name) => [name, createIdentity('user')]));
  const spec = sessionSpecSchema.parse({
    name: session,
    package: { name: 'pack', version: '1.0.0' },
    selection: { metric: 'auc', direction: 'maximize' },
  });
  const archive = Buffer.from('an archive');
  const description = Buffer.from('{"a":"manifest"}');
  put(objects, buckets.packages, objectKeys.packageArchive('pack', '1.0.0'), archive);
  put(objects, buckets.packages, objectKeys.packageManifest('pack', '1.0.0'), description);
  const common = {
    schema: 1 as const,
    session,
    attempt: 0,
    package: { ...spec.package, digest: digestOf(archive), manifest: digestOf(description) },
    spec,
    configuration: digestOf(Buffer.from(canonicalJson(spec))),
    strategy: 'fedavg',
    absences: [],
    created_at: at,
    created_by: reducer.publicKey,
  };
  const heads: ModelHead[] = [];
  let weights = await npz([1, 2, 3]);
  let best: (ModelHead & { metric: string; value: number }) | null = null;
  for (let number = 0; number <= rounds; number += 1) {
    const base = digestOf(weights);
    const contributions: Contribution[] = [];
    const updates: Uint8Array[] = [];
    for (const [client, identity] of number === 0 ? [] : sites) {
      const update = await npz([number, client.length, examples[client]! / 7]);
      const key = objectKeys.update(
        { session, round: number, attempt: 0, kind: 'train' },
        client,
        digestOf(update),
      );
      put(objects, buckets.work, key, update);
      updates.push(update);
      const claim = claimOf(
        client,
        'train',
        number,
        base,
        common.package.digest,
        { loss: 0.5 },
        digestOf(update),
      );
      const signed = signClaim(claim, identity);
      const weight = claim.num_examples;
      contributions.push({
        client,
        combiner: 'one',
        weight,
        update_key: key,
        update_size: update.length,
        signed,
      });
    }
    if (number > 0) {
      const inputs = updates.map((bytes, i) => {
        const { client, weight } = contributions[i]!;
        return { source: bufferSource(bytes), weight, label: client };
      });
      weights = await collect(weightedMean(inputs));
    }
    const validation = (number === 0 ? [] : [...sites]).map(([client, identity]) => {
      const metrics = { auc: 0.9 - 0.01 * Math.abs(number - 2) };
      const claim = claimOf(client, 'validate', number, digestOf(weights), common.package.digest, metrics);
      return signClaim(claim, identity);
    });
    const claims = contributions.map((contribution) => contribution.signed.claim);
    const content: ManifestContent = {
      ...common,
      number,
      round: number,
      parents: number === 0 ? [] : [heads[number - 1]!.id],
      previous_manifest: number === 0 ? null : heads[number - 1]!.manifest_digest,
      weights: { digest: digestOf(weights), size: weights.length, parameters: 3 },
      num_examples: claims.reduce((sum, claim) => sum + claim.num_examples, 0),
      contributions,
      metrics: weightedMetrics(validation.map((signed) => signed.claim)),
      validation,
      training_metrics: weightedMetrics(claims),
    };
    const manifest = makeManifest(content, reducer);
    const bytes = documentBytes(manifest);
    put(objects, buckets.models, objectKeys.weights(session, number, manifest.id), weights);
    put(objects, buckets.models, objectKeys.manifest(session, number, manifest.id), bytes);
    const head = { number, id: manifest.id, manifest_digest: digestOf(bytes) };
    heads.push(head);
    const value: number | undefined = content.metrics.auc;
    if (value !== undefined && (best === null || value > best.value))
      best = { ...head, metric: 'auc', value };
  }
  const latest = heads[rounds]!;
  const sequence = rounds + 1;
  const document = { schema: 1 as const, session, sequence, count: rounds + 1, latest, best, updated_at: at };
  put(objects, buckets.models, objectKeys.heads(session), documentBytes(makeHeads(document, reducer)));
  return { objects, reducer, sites, heads, source: memoryTrail(objects) };
}

function claimOf(
  client: string,
  kind: 'train' | 'validate',
  round: number,
  base: string,
  pack: string,
  metrics: Record<string, number>,
  update?: string,
): ResultClaim {
  const digest = `sha256:${'d'.repeat(64)}`;
  return {
    schema: 1,
    kind,
    session,
    round,
    attempt: 0,
    client,
    base,
    package: pack,
    ...(update === undefined ? {} : { update }),
    num_examples: examples[client]!,
    metrics,
    data_set: { name: `data of ${client}`, files: 1, bytes: 10, digest },
    execution: { backend: 'cpu', isolation: 'process', duration_ms: 1 },
    completed_at: at,
  };
}

export function signClaim(claim: ResultClaim, identity: Identity): SignedClaim {
  const { key, value } = signDocument(purposes.result, claim, identity);
  return { claim, key, signature: value };
}

function npz(values: number[]): Promise<Uint8Array> {
  return collect(writeNpz([tensorFrom('w', 'float32', [values.length], values)]));
}

export function objectPath(bucket: string, key: string): string {
  return `${bucket}/${key}`;
}

function put(objects: Map<string, Uint8Array>, bucket: string, key: string, bytes: Uint8Array): void {
  objects.set(objectPath(bucket, key), bytes);
}

function memoryTrail(objects: ReadonlyMap<string, Uint8Array>): TrailSource {
  const find = (bucket: string, key: string) => {
    const bytes = objects.get(objectPath(bucket, key));
    if (bytes !== undefined) return bytes;
    throw new ConsiliumError('STORE_NOT_FOUND', 'It is not there.', { where: objectPath(bucket, key) });
  };
  return {
    async *list(bucket, prefix) {
      for (const [path, bytes] of [...objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (path.startsWith(`${bucket}/${prefix}`))
          yield { key: path.slice(bucket.length + 1), size: bytes.length };
      }
    },
    async stream(bucket, key) {
      const bytes = find(bucket, key);
      return (async function* () {
        yield bytes;
      })();
    },
    ranges: async (bucket, key) => bufferSource(find(bucket, key)),
  };
}
