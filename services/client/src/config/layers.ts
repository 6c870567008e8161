/** A key of client.yaml as a path: `['policy', 'network']`. */
export type KeyPath = readonly (string | number)[];

/** Values gathered from the file, the environment and the command line, and where each came from. */
export interface Layers {
  readonly values: Record<string, unknown>;
  /** Sets a value, making the maps on the way. `origin` is what a message calls the place. */
  set(path: KeyPath, value: unknown, origin: string): void;
  remove(path: KeyPath): void;
  /** For messages: the place of the value, or of the nearest thing above it. */
  where(path: KeyPath): string;
}

/**
 * @param locate the place in the file of a path, or of its nearest parent that is there.
 */
export function createLayers(file: Record<string, unknown>, locate: (path: KeyPath) => string): Layers {
  const values = structuredClone(file);
  const origins = new Map<string, string>();
  return {
    values,
    set(path, value, origin) {
      let at: Record<string, unknown> = values;
      for (const key of path.slice(0, -1)) {
        const next = at[key];
        if (isMap(next)) at = next;
        else {
          const made: Record<string, unknown> = {};
          at[key] = made;
          at = made;
        }
      }
      at[String(path.at(-1))] = value;
      origins.set(path.join('.'), origin);
    },
    remove(path) {
      const parent = valueAt(values, path.slice(0, -1));
      if (isMap(parent)) delete parent[String(path.at(-1))];
    },
    where(path) {
      for (let length = path.length; length > 0; length--) {
        const origin = origins.get(path.slice(0, length).join('.'));
        if (origin !== undefined) return origin;
      }
      return locate(path);
    },
  };
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function valueAt(values: unknown, path: KeyPath): unknown {
  let at = values;
  for (const key of path) {
    if (Array.isArray(at)) at = at[Number(key)];
    else if (isMap(at) && Object.hasOwn(at, key)) at = at[key];
    else return undefined;
  }
  return at;
}
