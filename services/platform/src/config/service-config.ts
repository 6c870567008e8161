import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';
import type { z } from 'zod';

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
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.map(String).join('.') || 'configuration';
  throw new ConsiliumError('BAD_REQUEST', `${field}: ${issue?.message}.`, {
    where: `${where}, ${field}`,
    fix,
  });
}

/** The configuration file of a service (JSON). @throws ConsiliumError BAD_REQUEST when it cannot be read or does not fit */
export async function readServiceConfig<T extends z.ZodType>(schema: T, file: string): Promise<z.output<T>> {
  const path = resolve(file);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ConsiliumError('BAD_REQUEST', `${detail}.`, {
      where: path,
      fix: 'Give the path of a JSON file.',
      cause,
    });
  }
  return parseServiceConfig(schema, value, path);
}
