import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';
import type { z } from 'zod';
import { type Environment, withEnvironment } from './environment.js';

const fix = 'Correct the named field of the configuration file.';

/**
 * Fills in the defaults and checks every field.
 * @param where file or caller, for the error
 * @throws ConsiliumError BAD_REQUEST naming the first field that is wrong
 */
export function parseServiceConfig<T extends z.ZodType>(
  schema: T,
  value: unknown,
  where: string,
): z.output<T> {
  return checked(schema, value, (field) => ({ where: `${where}, ${field}`, fix }));
}

/** The configuration file of a service (JSON). @throws ConsiliumError BAD_REQUEST when it cannot be read or does not fit */
export async function readServiceConfig<T extends z.ZodType>(schema: T, file: string): Promise<z.output<T>> {
  const path = resolve(file);
  return parseServiceConfig(schema, await readJson(path), path);
}

/**
 * The configuration of a service from a file, from the environment, or from both: variables win (see
 * `withEnvironment`).
 * @param file left out: the environment alone
 * @throws ConsiliumError BAD_REQUEST naming the first field that is wrong, with its file or variable; USAGE
 */
export async function readServiceConfigWithEnvironment<T extends z.ZodType>(
  schema: T,
  file: string | undefined,
  env: Environment,
): Promise<z.output<T>> {
  const path = file === undefined ? undefined : resolve(file);
  const base = path === undefined ? undefined : await readJson(path);
  const { value, origins } = await withEnvironment(schema, base, env);
  return checked(schema, value, (field) => {
    const variable = origins.get(field);
    if (variable !== undefined) {
      return { where: `environment variable ${variable}`, fix: 'Correct the named variable.' };
    }
    return path === undefined
      ? { where: `environment, ${field}`, fix: 'Set the named key by its CONSILIUM_… variable.' }
      : { where: `${path}, ${field}`, fix };
  });
}

function checked<T extends z.ZodType>(
  schema: T,
  value: unknown,
  place: (field: string) => { where: string; fix: string },
): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.map(String).join('.') || 'configuration';
  throw new ConsiliumError('BAD_REQUEST', `${field}: ${issue?.message}.`, place(field));
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ConsiliumError('BAD_REQUEST', `${detail}.`, {
      where: path,
      fix: 'Give the path of a JSON file.',
      cause,
    });
  }
}
