/** Why attempts to connect failed; shared between the transport and the bus. */
export interface Attempt {
  /** Of the attempt that runs, or ran last. */
  failure: unknown;
  /** Of the one before. */
  previous: unknown;
  /** Called when one begins, with its number and before `failure` is forgotten. */
  onAttempt?: (attempt: number) => void;
}

export function reasonOf(attempt: Attempt): string | undefined {
  const failure = attempt.failure ?? attempt.previous;
  if (failure === undefined) return undefined;
  return failure instanceof Error ? failure.message : String(failure);
}
