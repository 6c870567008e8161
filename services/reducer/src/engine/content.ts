import {
  type Absence,
  ConsiliumError,
  type Contribution,
  type ManifestContent,
  type ModelHead,
  type ReportObject,
  type SessionRecord,
  type SignedClaim,
} from '@consilium/protocol';
import { weightedMetrics } from '@consilium/trail';

export interface Weights {
  readonly digest: string;
  readonly size: number;
  readonly parameters: number;
}

/**
 * The signed content of the model that a round made. Pure: the same record and reports give the same
 * bytes, whoever computes them and however often, so a commit can be repeated after a crash.
 *
 * @throws ConsiliumError SESSION_DOUBLE_CONTRIBUTION when a client is in two cohorts' reports
 */
export function roundContent(
  record: SessionRecord,
  training: readonly ReportObject[],
  validation: readonly ReportObject[],
  weights: Weights,
  reducerKey: string,
): ManifestContent {
  const contributions = contributionsOf(training);
  const claims = contributions.map((contribution) => contribution.signed.claim);
  const validated = validationsOf(validation);
  return {
    ...commonContent(record, weights, reducerKey),
    number: record.head.number + 1,
    round: record.round,
    attempt: record.attempt,
    parents: [record.head.id],
    previous_manifest: record.head.manifest_digest,
    num_examples: claims.reduce((sum, claim) => sum + claim.num_examples, 0),
    contributions,
    absences: [...training, ...validation].flatMap((report) => report.absences).sort(byKindAndClient),
    metrics: weightedMetrics(validated.map((signed) => signed.claim)),
    validation: validated,
    training_metrics: weightedMetrics(claims),
  };
}

/** The signed content of a session's seed model, number 0. */
export function seedContent(
  record: Pick<SessionRecord, 'id' | 'spec' | 'configuration' | 'package' | 'updated_at'>,
  weights: Weights,
  reducerKey: string,
): ManifestContent {
  return {
    ...commonContent(record, weights, reducerKey),
    number: 0,
    round: 0,
    attempt: 0,
    parents: [],
    previous_manifest: null,
    num_examples: 0,
    contributions: [],
    absences: [],
    metrics: {},
    validation: [],
    training_metrics: {},
  };
}

function commonContent(
  record: Pick<SessionRecord, 'id' | 'spec' | 'configuration' | 'package' | 'updated_at'>,
  weights: Weights,
  reducerKey: string,
) {
  const { name, version, archive, manifest } = record.package;
  return {
    schema: 1 as const,
    session: record.id,
    package: { name, version, digest: archive.digest, manifest: manifest.digest },
    spec: record.spec,
    configuration: record.configuration,
    strategy: record.spec.strategy.name,
    weights: { ...weights },
    created_at: record.updated_at,
    created_by: reducerKey,
  };
}

function contributionsOf(reports: readonly ReportObject[]): Contribution[] {
  const seen = new Map<string, string>();
  const contributions: Contribution[] = [];
  for (const report of reports) {
    for (const { client, weight, signed, update } of report.results) {
      const other = seen.get(client);
      if (other !== undefined) {
        const detail = `${client} is in the reports of ${other} and ${report.combiner}.`;
        throw new ConsiliumError('SESSION_DOUBLE_CONTRIBUTION', detail, {
          where: `session ${report.session}`,
        });
      }
      seen.set(client, report.combiner);
      if (update === null) continue;
      const { combiner } = report;
      contributions.push({
        client,
        combiner,
        weight,
        update_key: update.key,
        update_size: update.size,
        signed,
      });
    }
  }
  return contributions.sort((a, b) => (a.client < b.client ? -1 : 1));
}

function validationsOf(reports: readonly ReportObject[]): SignedClaim[] {
  const byClient = new Map<string, SignedClaim>();
  for (const report of reports) {
    for (const { client, signed } of report.results) byClient.set(client, signed);
  }
  return [...byClient.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, signed]) => signed);
}

function byKindAndClient(a: Absence, b: Absence): number {
  const left = `${a.kind} ${a.client}`;
  const right = `${b.kind} ${b.client}`;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Whether a model with these metrics is better than the best so far; a tie keeps the older one. */
export function isBetter(
  selection: SessionRecord['spec']['selection'],
  metrics: Readonly<Record<string, number>>,
  best: { readonly value: number } | null,
): boolean {
  const value = selection === undefined ? undefined : metrics[selection.metric];
  if (selection === undefined || value === undefined || !Number.isFinite(value)) return false;
  if (best === null) return true;
  return selection.direction === 'maximize' ? value > best.value : value < best.value;
}

export function headOf(content: ManifestContent, id: string, manifestDigest: string): ModelHead {
  return { number: content.number, id, manifest_digest: manifestDigest };
}
