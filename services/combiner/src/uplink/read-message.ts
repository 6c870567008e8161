import { ConsiliumError } from '@consilium/protocol';

interface Schema<T> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };
}

/** @throws ConsiliumError BAD_REQUEST naming the first field that does not fit. */
export function readMessage<T>(schema: Schema<T>, value: unknown, subject: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.map(String).join('.') || 'message';
  throw new ConsiliumError('BAD_REQUEST', `${field}: ${issue?.message ?? 'not valid'}.`, {
    where: `${subject}, ${field}`,
  });
}
