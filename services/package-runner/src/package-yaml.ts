import { ConsiliumError, nameSchema, nearest, partNameSchema, semverSchema } from '@consilium/protocol';
import { isMap, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { isConfigSchema } from './config-schema.js';
import { parseDuration, parseSize } from './units.js';
import { isVersionRange } from './version-range.js';

const sizeSchema = z
  .union([z.number(), z.string()], 'expected a size such as 2 GiB')
  .transform((value, context) => parseSize(value) ?? refuse(context, 'expected a size such as 2 GiB'));
const durationSchema = z
  .union([z.number(), z.string()], 'expected a time such as 10m')
  .transform(
    (value, context) => parseDuration(value) ?? refuse(context, 'expected a time such as 90s, 10m or 2h'),
  );

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}

/** Path of a program: relative, forward slashes, no way out. */
const programSchema = z
  .string('expected the path of a program, such as train.ts')
  .regex(
    /^(?!\/)(?!.*(^|\/)\.\.(\/|$))(?!.*\\)[^\0]+\.(ts|mts|js|mjs)$/,
    'expected a relative path ending in .ts, .mts, .js or .mjs',
  );
const argvSchema = z
  .array(z.string().min(1).max(4096), 'expected a list of arguments, such as ["python3", "train.py"]')
  .min(1, 'expected at least the program')
  .max(64);

function entries<T extends z.ZodType>(program: T) {
  return z
    .strictObject({
      init: program.optional(),
      train: program.optional(),
      validate: program.optional(),
      predict: program.optional(),
    })
    .refine(
      (entry) => Object.values(entry).some((value) => value !== undefined),
      'expected at least one of init, train, validate, predict',
    );
}

export const resourcesSchema = z.strictObject({
  /** Bytes of memory that all processes of a task may use together. */
  memory: sizeSchema.optional(),
  /** How many CPUs it can use: threads, and CPU time per second of the timeout. */
  cpus: z.number().positive().max(1024).optional(),
  /** Seconds. */
  timeout: durationSchema.optional(),
  network: z.enum(['none', 'any']).default('none'),
  accelerator: z.enum(['none', 'optional', 'required']).default('none'),
});
export type Resources = z.infer<typeof resourcesSchema>;

const common = {
  name: nameSchema,
  version: semverSchema,
  description: z.string().max(2000).optional(),
  license: z.string().max(200).optional(),
  config: z.custom<Record<string, unknown>>(isConfigSchema, 'expected a JSON schema of an object').optional(),
  resources: resourcesSchema.prefault({}),
  metrics: z
    .strictObject({ primary: z.string().min(1).max(100), maximize: z.boolean().default(true) })
    .optional(),
  /** Model parts beside `weights` that a strategy may send along. */
  parts: z.array(partNameSchema).max(16).default([]),
};

const nodeSchema = z.strictObject({
  ...common,
  runtime: z.literal('node'),
  sdk: z
    .string('expected the sdk versions this package works with, such as ^0.1')
    .refine(isVersionRange, 'expected a version range such as ^0.1'),
  /** Written by the build: whether every entry exports `run`. `false` forbids warm workers. */
  worker: z.boolean().optional(),
  entry: entries(programSchema),
});
const processSchema = z.strictObject({
  ...common,
  runtime: z.literal('process'),
  entry: entries(argvSchema),
});

/** `package.yaml`, with units resolved (bytes, seconds) and defaults filled in. */
export const packageYamlSchema = z.discriminatedUnion('runtime', [nodeSchema, processSchema]);
export type PackageYaml = z.infer<typeof packageYamlSchema>;

export interface YamlProblem {
  /** `entry.train`; empty when it is the file as a whole. */
  readonly field: string;
  /** 1-based; missing when the field is not in the file. */
  readonly line?: number;
  readonly message: string;
}

/** Reads package.yaml and lists everything that is wrong with it. */
export function inspectPackageYaml(text: string): { yaml?: PackageYaml; problems: YamlProblem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    return {
      problems: document.errors.map((error) => ({
        field: '',
        line: lines.linePos(error.pos[0]).line,
        message: error.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, ''),
      })),
    };
  }
  const plain = toPlain(document);
  if ('problem' in plain) return { problems: [plain.problem] };
  const result = packageYamlSchema.safeParse(plain.value);
  if (result.success) return { yaml: result.data, problems: [] };
  // A misspelt key explains why another one is missing.
  const issues = result.error.issues.toSorted(
    (a, b) => Number(b.code === 'unrecognized_keys') - Number(a.code === 'unrecognized_keys'),
  );
  const problems = issues.map((issue): YamlProblem => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const node = path.length === 0 ? document.contents : document.getIn(path, true);
    const offset = (node as { range?: readonly number[] } | null | undefined)?.range?.[0];
    const line = offset === undefined || path.length === 0 ? undefined : lines.linePos(offset).line;
    return { field: path.join('.'), ...(line === undefined ? {} : { line }), message: describe(issue) };
  });
  return { problems };
}

/** @throws ConsiliumError PKG_BAD_YAML with file, line, field and what was expected. */
export function parsePackageYaml(text: string, file = 'package.yaml'): PackageYaml {
  const { yaml, problems } = inspectPackageYaml(text);
  if (yaml !== undefined) return yaml;
  const first = problems[0]!;
  const more = problems.length > 1 ? ` (${problems.length - 1} more: consilium package check lists all)` : '';
  throw new ConsiliumError('PKG_BAD_YAML', `${first.message}.${more}`, { where: whereOf(file, first) });
}

export function whereOf(file: string, problem: YamlProblem): string {
  const at = problem.line === undefined ? file : `${file}:${problem.line}`;
  return problem.field === '' ? at : `${at}, field ${problem.field}`;
}

function toPlain(document: ReturnType<typeof parseDocument>): { value: unknown } | { problem: YamlProblem } {
  if (!isMap(document.contents)) {
    return { problem: { field: '', message: 'expected keys and values, such as name: my-package' } };
  }
  try {
    // No aliases: a few lines of them can stand for gigabytes.
    return { value: document.toJS({ maxAliasCount: 0 }) };
  } catch {
    return { problem: { field: '', message: 'expected a file without anchors and aliases' } };
  }
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue);
  if (issue.code === 'invalid_union' && issue.path.join('.') === 'runtime') return 'expected node or process';
  if (issue.code === 'invalid_type' && issue.input === undefined && !issue.message.startsWith('expected')) {
    return `is missing; expected ${issue.expected}`;
  }
  if (issue.code === 'invalid_value') return `expected ${issue.values.join(' or ')}`;
  return issue.message.replace(/^Invalid input: /, '');
}

function unknownKeys(issue: Extract<z.core.$ZodIssue, { code: 'unrecognized_keys' }>): string {
  const known: Readonly<Record<string, readonly string[]>> = {
    '': [...Object.keys(nodeSchema.shape)],
    entry: ['init', 'train', 'validate', 'predict'],
    resources: Object.keys(resourcesSchema.shape),
    metrics: ['primary', 'maximize'],
  };
  return issue.keys
    .map((key) => {
      const meant = nearest(key, known[issue.path.join('.')] ?? []);
      return `unknown key "${key.slice(0, 80)}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
    })
    .join(', ');
}
