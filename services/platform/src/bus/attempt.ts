/** Why the last attempt to connect failed; shared between the transport and the bus. */
export interface Attempt {
  failure: unknown;
  onAttempt?: (attempt: number) => void;
}
