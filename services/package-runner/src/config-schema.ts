import { ConsiliumError } from '@consilium/protocol';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** A JSON schema (draft 2020-12, or 7 when `$schema` says so) of an object. */
export type ConfigSchema = Readonly<Record<string, unknown>>;

/** Bounds on what a foreign schema may make a validator do. */
const limits = { bytes: 65_536, depth: 16, pattern: 200 } as const;

export function isConfigSchema(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !('type' in value) || value.type === 'object';
}

/** Unknown keys are refused unless the schema says otherwise. */
export function closedSchema(schema: ConfigSchema | undefined): ConfigSchema {
  return { type: 'object', properties: {}, additionalProperties: false, ...schema };
}

export interface CompiledSchema {
  /** Fills in defaults in place. */
  readonly validate: ValidateFunction;
  readonly errors: () => readonly ErrorObject[];
}

/**
 * @throws ConsiliumError PKG_BAD_CONFIG_SCHEMA if it is no valid schema, too large, or refers to other files.
 */
export function compileSchema(
  schema: ConfigSchema | undefined,
  where = 'package.yaml, field config',
): CompiledSchema {
  const closed = closedSchema(schema);
  const text = JSON.stringify(closed);
  if (text.length > limits.bytes)
    fail(`It has ${text.length} characters; at most ${limits.bytes} are allowed.`, where);
  inspect(closed, where, 0);
  const draft7 = typeof closed.$schema === 'string' && closed.$schema.includes('draft-07');
  const options = {
    useDefaults: true,
    allErrors: true,
    strict: false,
    validateFormats: false,
    verbose: true,
    logger: false as const,
  };
  const ajv = draft7 ? new Ajv(options) : new Ajv2020(options);
  const { $schema: _, ...rest } = closed;
  try {
    const validate = ajv.compile(rest);
    return { validate, errors: () => validate.errors ?? [] };
  } catch (error) {
    return fail(`${(error as Error).message}.`, where);
  }
}

function inspect(value: unknown, where: string, depth: number): void {
  if (depth > limits.depth) fail(`It is nested more than ${limits.depth} levels deep.`, where);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === '$ref' && typeof inner === 'string' && !inner.startsWith('#')) {
      fail(`$ref "${inner.slice(0, 80)}" leads out of the file.`, where);
    }
    if (key === 'pattern' && typeof inner === 'string' && inner.length > limits.pattern) {
      fail(`A pattern has ${inner.length} characters; at most ${limits.pattern} are allowed.`, where);
    }
    inspect(inner, where, depth + 1);
  }
}

function fail(detail: string, where: string): never {
  throw new ConsiliumError('PKG_BAD_CONFIG_SCHEMA', detail, { where });
}
