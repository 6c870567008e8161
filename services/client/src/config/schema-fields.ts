import { clientConfigSchema } from '@consilium/protocol';
import type { KeyPath } from './layers.js';

/** What a value of client.yaml is, read off the schema so that the environment follows it by itself. */
export type FieldKind = 'text' | 'number' | 'boolean' | 'list' | 'map';

interface Definition {
  readonly type: string;
  readonly innerType?: { readonly def: Definition };
  readonly shape?: Readonly<Record<string, { readonly def: Definition }>>;
}

const root = clientConfigSchema.def as unknown as Definition;

function bare(definition: Definition): Definition {
  return definition.innerType === undefined ? definition : bare(definition.innerType.def);
}

function definitionAt(path: KeyPath): Definition | undefined {
  let at = root;
  for (const key of path) {
    const { shape } = at;
    if (shape === undefined || !Object.hasOwn(shape, key)) return undefined;
    at = bare((shape[key] as { def: Definition }).def);
  }
  return at;
}

/** The keys that a map of client.yaml may have; none for anything that is not a map. */
export function keysAt(path: KeyPath): string[] {
  return Object.keys(definitionAt(path)?.shape ?? {});
}

export function kindAt(path: KeyPath): FieldKind | undefined {
  const definition = definitionAt(path);
  if (definition === undefined) return undefined;
  if (definition.shape !== undefined) return 'map';
  if (definition.type === 'array') return 'list';
  if (definition.type === 'number' || definition.type === 'boolean') return definition.type;
  return 'text';
}

/** Paths of all keys that hold a value: `url`, `data.path`, `policy.network`, … */
export function valuePaths(path: readonly string[] = []): string[][] {
  return keysAt(path).flatMap((key) => {
    const next = [...path, key];
    return kindAt(next) === 'map' ? valuePaths(next) : [next];
  });
}
