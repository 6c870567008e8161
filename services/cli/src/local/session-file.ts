import { readFile } from 'node:fs/promises';
import { type ConfigSchema, parseSettings } from '@consilium/package-runner';
import { ConsiliumError, type SessionSpec, sessionSpecSchema } from '@consilium/protocol';
import { parseDocument } from 'yaml';
import { z } from 'zod';

/** A declaration before its defaults are filled in. */
export type SpecInput = Record<string, unknown>;

/** Reads session.yaml. @throws CLI_FILE, SESSION_BAD_SPEC with the line */
export async function readSessionFile(path: string): Promise<SpecInput> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ConsiliumError('CLI_FILE', String(cause), { where: path, cause });
  }
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) {
    const line = error.linePos?.[0].line;
    throw new ConsiliumError('SESSION_BAD_SPEC', error.message.split('\n')[0]!, {
      where: `${path}${line === undefined ? '' : `:${line}`}`,
    });
  }
  const value: unknown = document.toJS() ?? {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as SpecInput;
  throw new ConsiliumError('SESSION_BAD_SPEC', 'It is not a mapping of fields.', { where: path });
}

/** The type of every field, so that `--set` reads `rounds=5` as a number and `name=5` as a text. */
const specFields = z.toJSONSchema(sessionSpecSchema, { io: 'input' }) as ConfigSchema;

/**
 * Lays `--set key=value` texts over a declaration. `rounds=5` and `strategy.name=fedavg` set fields of the
 * session; `config.epochs=2`, or just `epochs=2` where the session has no such field, sets the package's.
 * @throws SESSION_BAD_SPEC, PKG_BAD_CONFIG
 */
export function applySettings(
  input: SpecInput,
  settings: readonly string[],
  config: ConfigSchema,
): SpecInput {
  const known = new Set(Object.keys((specFields.properties as object | undefined) ?? {}));
  const ofConfig: string[] = [];
  const ofSession: string[] = [];
  for (const setting of settings) {
    const key = /^([^=.]+)/.exec(setting)?.[1] ?? '';
    if (setting.startsWith('config.')) ofConfig.push(setting.slice('config.'.length));
    else if (known.has(key)) ofSession.push(setting);
    else ofConfig.push(setting);
  }
  const merged = merge(input, sessionSettings(ofSession));
  const before = (merged.config as SpecInput | undefined) ?? {};
  return { ...merged, config: merge(before, parseSettings(config, ofConfig)) };
}

/** `parseSettings` speaks of the config of a package; these are fields of the session. */
function sessionSettings(settings: readonly string[]): SpecInput {
  try {
    return parseSettings(specFields, settings);
  } catch (cause) {
    if (!(cause instanceof ConsiliumError) || cause.code !== 'PKG_BAD_CONFIG') throw cause;
    const where = cause.where?.replace(/^config\./, '') ?? '';
    throw new ConsiliumError('SESSION_BAD_SPEC', cause.detail, { where: `--set ${where}`.trim(), cause });
  }
}

/** All fields checked and filled in. @throws SESSION_BAD_SPEC naming the field */
export function checkSpec(input: SpecInput, where: string): SessionSpec {
  const parsed = sessionSpecSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.map(String).join('.') ?? '';
  throw new ConsiliumError('SESSION_BAD_SPEC', `${issue?.message}.`, {
    where: field === '' ? where : `${where}, ${field}`,
  });
}

/** `name@version` or `name` alone. */
export function packageText(text: string): { name: string; version: string | undefined } {
  const at = text.lastIndexOf('@');
  return at < 1
    ? { name: text, version: undefined }
    : { name: text.slice(0, at), version: text.slice(at + 1) };
}

function merge(base: SpecInput, over: SpecInput): SpecInput {
  const result: SpecInput = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = result[key];
    result[key] = isRecord(before) && isRecord(value) ? merge(before, value) : value;
  }
  return result;
}

function isRecord(value: unknown): value is SpecInput {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
