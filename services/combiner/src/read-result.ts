import { ConsiliumError, type ErrorCode, type ResultRequest, resultRequestSchema } from '@consilium/protocol';

/** The outcome a message claims, or why it is none. `task` is kept so that the right task can fail. */
export type ReadResult =
  | { readonly request: ResultRequest }
  | { readonly refused: ConsiliumError; readonly task: string | undefined };

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Reads an unchecked message by its schema; one error for the first field that is wrong. */
export function readResult(value: unknown): ReadResult {
  const parsed = resultRequestSchema.safeParse(value);
  if (parsed.success) return { request: parsed.data };
  const issue: Issue = parsed.error.issues[0] ?? { path: [], message: 'not a result' };
  const where = issue.path.map(String).join('.') || 'result';
  const refused = new ConsiliumError(codeOfPath(issue.path), `${where}: ${issue.message}.`, { where });
  return { refused, task: taskOf(value) };
}

function codeOfPath(path: readonly PropertyKey[]): ErrorCode {
  if (path.includes('metrics')) return 'UPDATE_BAD_METRICS';
  if (path.includes('num_examples')) return 'UPDATE_BAD_EXAMPLES';
  return 'UPDATE_BAD_CLAIM';
}

function taskOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('task' in value)) return undefined;
  return typeof value.task === 'string' ? value.task : undefined;
}
