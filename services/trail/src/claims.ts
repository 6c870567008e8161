import { isDocumentSignedBy } from '@consilium/platform';
import { type ManifestContent, purposes, type ResultClaim, type SignedClaim } from '@consilium/protocol';

/** Whether the claim carries a valid signature of the key it names. */
export function isClaimGenuine(signed: SignedClaim): boolean {
  const signature = { key: signed.key, value: signed.signature };
  return isDocumentSignedBy(purposes.result, signed.claim, signature, signed.key);
}

/**
 * What is wrong with the claims that a manifest holds; empty when all fit. `base` is the digest of the
 * weights that the round started from, `siteKeys` the keys that the caller knows, by client name.
 */
export function claimProblems(
  content: ManifestContent,
  base: string | undefined,
  siteKeys: ReadonlyMap<string, string> = new Map(),
): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const contribution of content.contributions) {
    const { claim } = contribution.signed;
    const who = `contribution of ${contribution.client}`;
    if (seen.has(contribution.client)) problems.push(`${who}: it is counted twice`);
    seen.add(contribution.client);
    if (claim.client !== contribution.client) problems.push(`${who}: the claim names ${claim.client}`);
    if (claim.kind !== 'train' || claim.update === undefined) problems.push(`${who}: it claims no update`);
    if (base !== undefined && claim.base !== base)
      problems.push(`${who}: it started from ${claim.base}, not ${base}`);
    const weight = content.spec.strategy.weighting === 'equal' ? 1 : claim.num_examples;
    if (contribution.weight !== weight)
      problems.push(`${who}: weight ${contribution.weight}, claimed ${weight}`);
    problems.push(...commonProblems(who, contribution.signed, claim, content, siteKeys));
  }
  const validated = new Set<string>();
  for (const signed of content.validation) {
    const who = `validation by ${signed.claim.client}`;
    if (validated.has(signed.claim.client)) problems.push(`${who}: it is counted twice`);
    validated.add(signed.claim.client);
    if (signed.claim.kind !== 'validate') problems.push(`${who}: the claim is of kind ${signed.claim.kind}`);
    if (signed.claim.base !== content.weights.digest)
      problems.push(`${who}: it validated ${signed.claim.base}`);
    problems.push(...commonProblems(who, signed, signed.claim, content, siteKeys));
  }
  return problems;
}

function commonProblems(
  who: string,
  signed: SignedClaim,
  claim: ResultClaim,
  content: ManifestContent,
  siteKeys: ReadonlyMap<string, string>,
): string[] {
  const problems: string[] = [];
  if (!isClaimGenuine(signed)) problems.push(`${who}: the site's signature is not valid`);
  const known = siteKeys.get(claim.client);
  if (known !== undefined && known !== signed.key)
    problems.push(`${who}: signed by ${signed.key}, not by ${known}`);
  if (claim.session !== content.session) problems.push(`${who}: the claim is of session ${claim.session}`);
  if (claim.round !== content.round) problems.push(`${who}: the claim is of round ${claim.round}`);
  if (claim.attempt !== content.attempt) problems.push(`${who}: the claim is of attempt ${claim.attempt}`);
  if (claim.package !== content.package.digest) problems.push(`${who}: it ran package ${claim.package}`);
  return problems;
}

/** Means of what each claim reports, weighted by num_examples; a metric counts where it was reported. */
export function weightedMetrics(claims: readonly ResultClaim[]): Record<string, number> {
  const sums = new Map<string, { sum: number; weight: number }>();
  for (const claim of [...claims].sort((a, b) => (a.client < b.client ? -1 : 1))) {
    for (const [name, value] of Object.entries(claim.metrics)) {
      const entry = sums.get(name) ?? { sum: 0, weight: 0 };
      entry.sum += value * claim.num_examples;
      entry.weight += claim.num_examples;
      sums.set(name, entry);
    }
  }
  const names = [...sums.keys()].sort();
  const means: Record<string, number> = {};
  for (const name of names) {
    const { sum, weight } = sums.get(name)!;
    if (weight > 0) means[name] = sum / weight;
  }
  return means;
}
