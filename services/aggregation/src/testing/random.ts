/** Small seeded generator (mulberry32): uniform numbers in [0, 1), the same on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

export function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]),
  );
}

/** Every way to hand `items` to at most `most` combiners (set partitions, restricted growth strings). */
export function splits<T>(items: readonly T[], most: number): T[][][] {
  const found: T[][][] = [];
  const place = (at: number, groups: T[][]): void => {
    if (at === items.length) {
      found.push(groups.map((group) => [...group]));
      return;
    }
    for (const group of groups) {
      group.push(items[at]!);
      place(at + 1, groups);
      group.pop();
    }
    if (groups.length < most) place(at + 1, [...groups, [items[at]!]]);
  };
  place(0, []);
  return found;
}
