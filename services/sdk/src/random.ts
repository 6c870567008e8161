/** A seeded source of randomness. The sequence depends on the seed alone, on every platform. */
export interface Rng {
  /** Uniform in [0, 1), 32 random bits. */
  next(): number;
  /** Uniform whole number in [0, limit). */
  int(limit: number): number;
  /** Standard normal (Box and Muller 1958). */
  normal(): number;
  /** Fisher-Yates, in place; returns the same array. */
  shuffle<T>(items: T[]): T[];
  /** A source of its own for a named purpose; draws from one never shift the other. */
  derive(purpose: string): Rng;
}

/** 32-bit hash of text and seed (FNV-1a, then the finaliser of MurmurHash3). */
function hash(text: string, seed: number): number {
  let h = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 0x01000193) >>> 0;
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * sfc32 (Doty-Humphrey, PractRand) keyed by the seed. Good for training and partitions; never for
 * keys, masks or noise that protects anybody.
 */
export function createRng(seed: number | string): Rng {
  const key = String(seed);
  let a = hash(key, 1);
  let b = hash(key, 2);
  let c = hash(key, 3);
  let counter = 1;
  const draw = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return t >>> 0;
  };
  // The first outputs still show the key.
  for (let i = 0; i < 15; i++) draw();

  const next = (): number => draw() / 4294967296;
  return {
    next,
    int: (limit) => Math.floor(next() * limit),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffle: (items) => {
      for (let i = items.length - 1; i > 0; i--) {
        const j = Math.floor(next() * (i + 1));
        const held = items[i] as (typeof items)[number];
        items[i] = items[j] as (typeof items)[number];
        items[j] = held;
      }
      return items;
    },
    derive: (purpose) => createRng(`${key}/${purpose}`),
  };
}

/**
 * Runs `work` with `Math.random` drawing from `rng`, and puts the old one back. tfjs takes its
 * initialisers, dropout masks and the shuffles of `fit` from `Math.random` and has no seed of its own
 * for most of them (and reads a seed of 0 as "none"), so this is what makes a training repeatable.
 * One at a time in a process: overlapping calls would share a stream.
 */
export async function withSeededRandom<T>(rng: Rng, work: () => Promise<T>): Promise<T> {
  const original = Math.random;
  Math.random = rng.next;
  try {
    return await work();
  } finally {
    Math.random = original;
  }
}
