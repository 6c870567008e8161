import type { Rng } from './random.js';

/** One site of a partition. */
export interface SiteRule {
  readonly name: string;
  /** Relative size of the site. */
  readonly share: number;
  /** How many times more of each class the site draws than its share says; 1 where not given. */
  readonly classWeights?: Readonly<Record<number, number>>;
}

function indicesByClass(labels: ArrayLike<number>): Map<number, number[]> {
  const classes = new Map<number, number[]>();
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    const members = classes.get(label) ?? [];
    classes.set(label, members);
    members.push(i);
  }
  return new Map([...classes].sort(([a], [b]) => a - b));
}

/** Splits `total` in proportion to `weights` by largest remainder; earlier entries win ties. */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (total * weight) / sum);
  const counts = exact.map(Math.floor);
  const left = total - counts.reduce((a, b) => a + b, 0);
  const order = exact
    .map((value, index) => ({ index, remainder: value - Math.floor(value) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of order.slice(0, left)) counts[index] = (counts[index] as number) + 1;
  return counts;
}

/**
 * Holds out a part of every class. Each example lands in exactly one of the two; both lists are in
 * ascending order.
 */
export function stratifiedHoldout(
  labels: ArrayLike<number>,
  fraction: number,
  rng: Rng,
): { train: number[]; test: number[] } {
  const test: number[] = [];
  const train: number[] = [];
  for (const members of indicesByClass(labels).values()) {
    rng.shuffle(members);
    const held = Math.round(members.length * fraction);
    test.push(...members.slice(0, held));
    train.push(...members.slice(held));
  }
  const ascending = (a: number, b: number) => a - b;
  return { train: train.sort(ascending), test: test.sort(ascending) };
}

/**
 * Deals examples out to sites of unequal size and skewed class ratio: each class is shuffled and split in
 * proportion to share × class weight. Every example goes to exactly one site. The same labels, rules and
 * seed give the same partition on every machine.
 *
 * @returns for each site, in order, indices into `labels`, shuffled
 */
export function partitionSkewed(labels: ArrayLike<number>, sites: readonly SiteRule[], rng: Rng): number[][] {
  const parts: number[][] = sites.map(() => []);
  for (const [label, members] of indicesByClass(labels)) {
    rng.shuffle(members);
    const counts = apportion(
      members.length,
      sites.map((site) => site.share * (site.classWeights?.[label] ?? 1)),
    );
    let from = 0;
    for (const [index, count] of counts.entries()) {
      parts[index]?.push(...members.slice(from, from + count));
      from += count;
    }
  }
  return parts.map((part) => rng.shuffle(part));
}
