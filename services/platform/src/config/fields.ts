import type { z } from 'zod';

/** What a value of a configuration is, read off its schema. */
export type FieldKind = 'text' | 'number' | 'boolean' | 'list';

export interface Field {
  /** Such as `['store', 'publicEndpoint']`. */
  readonly path: readonly string[];
  readonly kind: FieldKind;
}

interface Definition {
  readonly type: string;
  readonly innerType?: { readonly def: Definition };
  readonly shape?: Readonly<Record<string, { readonly def: Definition }>>;
  readonly options?: readonly { readonly def: Definition }[];
}

/** All keys that hold a value, whatever their depth. Of a union, the keys of all its members. */
export function fieldsOf(schema: z.ZodType): Field[] {
  return walk(schema.def as unknown as Definition, []);
}

function walk(given: Definition, path: readonly string[]): Field[] {
  const definition = bare(given);
  if (definition.shape !== undefined) {
    return Object.entries(definition.shape).flatMap(([key, { def }]) => walk(def, [...path, key]));
  }
  if (definition.options?.some(({ def }) => bare(def).shape !== undefined) === true) {
    const all = definition.options.flatMap(({ def }) => walk(def, path));
    return [...new Map(all.map((field) => [field.path.join('.'), field])).values()];
  }
  return [{ path, kind: kindOf(definition) }];
}

function bare(definition: Definition): Definition {
  return definition.innerType === undefined ? definition : bare(definition.innerType.def);
}

function kindOf({ type }: Definition): FieldKind {
  if (type === 'array') return 'list';
  return type === 'number' || type === 'boolean' ? type : 'text';
}
