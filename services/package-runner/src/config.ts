import { ConsiliumError, nearest } from '@consilium/protocol';
import type { ErrorObject } from 'ajv';
import { type ConfigSchema, closedSchema, compileSchema } from './config-schema.js';

export type Config = Record<string, unknown>;

/**
 * The configuration a task gets: overrides checked against the schema, defaults filled in.
 * Unknown keys are refused with the nearest known one. The input is not changed.
 *
 * @throws ConsiliumError PKG_BAD_CONFIG, PKG_BAD_CONFIG_SCHEMA
 */
export function resolveConfig(schema: ConfigSchema | undefined, overrides: Readonly<Config> = {}): Config {
  const config = structuredClone(overrides) as Config;
  const { validate, errors } = compileSchema(schema);
  if (validate(config)) return config;
  const error = mostTelling(errors());
  throw new ConsiliumError('PKG_BAD_CONFIG', `${explain(error)}.`, { where: keyOf(error) });
}

/** What is wrong with the defaults that a schema gives; keys that have none are the session's business. */
export function checkDefaults(schema: ConfigSchema | undefined): string[] {
  const { validate, errors } = compileSchema(schema);
  if (validate({})) return [];
  return errors()
    .filter((error) => error.keyword !== 'required')
    .map((error) => `${keyOf(error)}: default ${JSON.stringify(error.data)}: ${explain(error)}`);
}

/**
 * `--set key=value` texts as overrides; the schema's type says how each value is read.
 * Dots lead into nested objects. Lists and objects are written as JSON.
 *
 * @throws ConsiliumError PKG_BAD_CONFIG
 */
export function parseSettings(schema: ConfigSchema | undefined, settings: readonly string[]): Config {
  const config: Config = {};
  for (const setting of settings) {
    const at = setting.indexOf('=');
    if (at < 1) {
      throw new ConsiliumError('PKG_BAD_CONFIG', `"${setting}" is not of the form key=value.`, {
        where: '--set',
      });
    }
    const path = setting.slice(0, at).split('.');
    let place = config;
    let part: ConfigSchema = closedSchema(schema);
    for (const [depth, key] of path.entries()) {
      if (key === '__proto__') throw new ConsiliumError('PKG_BAD_CONFIG', 'The key __proto__ is reserved.');
      part = propertyOf(part, key, path.slice(0, depth + 1).join('.'));
      if (depth === path.length - 1) {
        place[key] = coerce(setting.slice(at + 1), part, path.join('.'));
        break;
      }
      if (!isObject(place[key])) place[key] = {};
      place = place[key] as Config;
    }
  }
  return config;
}

function propertyOf(schema: ConfigSchema, key: string, full: string): ConfigSchema {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
  if (isObject(property)) return property;
  if (schema.additionalProperties !== false && schema.additionalProperties !== undefined) return {};
  if (!isObject(schema.properties) && schema.additionalProperties === undefined) return {};
  throw new ConsiliumError('PKG_BAD_CONFIG', `${unknownKey(key, Object.keys(properties))}.`, {
    where: `config.${full}`,
  });
}

function coerce(text: string, schema: ConfigSchema, key: string): unknown {
  const types = new Set(Array.isArray(schema.type) ? schema.type : [schema.type]);
  const values = Array.isArray(schema.enum) ? schema.enum : [];
  const literal = values.find((value) => String(value) === text);
  if (literal !== undefined) return literal;
  if (types.has('null') && text === 'null') return null;
  if (types.has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if ((types.has('number') || types.has('integer')) && text.trim() !== '' && Number.isFinite(Number(text))) {
    return Number(text);
  }
  if (types.has('string')) return text;
  const structured = types.has('array') || types.has('object');
  if (structured || types.has(undefined)) {
    try {
      return JSON.parse(text);
    } catch {
      if (!structured) return text;
    }
  }
  const expected = [...types].join(' or ');
  throw new ConsiliumError('PKG_BAD_CONFIG', `"${text}" is not of type ${expected}.`, {
    where: `config.${key}`,
  });
}

/** An unknown key explains a missing one, and a wrong type everything else. */
function mostTelling(errors: readonly ErrorObject[]): ErrorObject {
  const order = ['additionalProperties', 'unevaluatedProperties', 'type', 'enum'];
  for (const keyword of order) {
    const found = errors.find((error) => error.keyword === keyword);
    if (found !== undefined) return found;
  }
  return errors[0]!;
}

function explain(error: ErrorObject): string {
  const params = error.params as Record<string, unknown>;
  if (error.keyword === 'additionalProperties' || error.keyword === 'unevaluatedProperties') {
    const parent = error.parentSchema as { properties?: object } | undefined;
    return unknownKey(
      String(params.additionalProperty ?? params.unevaluatedProperty),
      Object.keys(parent?.properties ?? {}),
    );
  }
  if (error.keyword === 'required')
    return `"${String(params.missingProperty)}" is missing and has no default`;
  const got = JSON.stringify(error.data)?.slice(0, 80);
  if (error.keyword === 'type') return `expected ${String(params.type)}, got ${got}`;
  if (error.keyword === 'enum')
    return `expected one of ${(params.allowedValues as unknown[]).map((v) => JSON.stringify(v)).join(', ')}, got ${got}`;
  return `${error.message ?? error.keyword}, got ${got}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  if (meant !== undefined) return `Unknown key "${key}"; did you mean "${meant}"?`;
  return `Unknown key "${key}"; known are ${known.length === 0 ? 'none' : known.join(', ')}`;
}

function keyOf(error: ErrorObject): string {
  return `config${error.instancePath.replaceAll('/', '.')}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
