import type { ConfigSchema } from '@consilium/package-runner';

/** Rows of key, type, default and description for every setting, nested ones with dots. */
export function configRows(schema: ConfigSchema, prefix = ''): string[][] {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  return Object.entries(properties).flatMap(([key, part]) => {
    if (!isObject(part)) return [];
    const name = `${prefix}${key}`;
    if (isObject(part.properties)) return configRows(part, `${name}.`);
    const fallback =
      part.default === undefined ? (required.has(key) ? 'required' : '-') : JSON.stringify(part.default);
    return [[name, typeText(part), fallback, typeof part.description === 'string' ? part.description : '']];
  });
}

function typeText(part: Readonly<Record<string, unknown>>): string {
  if (Array.isArray(part.enum)) return part.enum.map((value) => JSON.stringify(value)).join(' | ');
  const type = Array.isArray(part.type) ? part.type.join(' | ') : String(part.type ?? 'any');
  const bounds = (
    [
      ['minimum', '>='],
      ['exclusiveMinimum', '>'],
      ['maximum', '<='],
      ['exclusiveMaximum', '<'],
    ] as const
  ).flatMap(([key, sign]) => (typeof part[key] === 'number' ? [`${sign} ${part[key]}`] : []));
  return [type, ...bounds].join(' ');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
