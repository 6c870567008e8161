import type { Bus, Logger, ObjectStore } from '@consilium/platform';
import type { Records } from './records.js';
import type { SessionEvents } from './session-events.js';
import type { HeavyWork } from './worker/jobs.js';

/** What the parts of a combiner share. */
export interface Context {
  readonly combiner: string;
  readonly bus: Bus;
  readonly store: ObjectStore;
  readonly records: Records;
  readonly heavy: HeavyWork;
  readonly events: SessionEvents;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly settings: Settings;
}

export interface Settings {
  /** How often clients sync. */
  readonly syncSeconds: number;
  /** Updates up to base size × this factor are taken (and a little slack for tiny models). */
  readonly sizeFactor: number;
  /** How long a signed URL is good. */
  readonly urlSeconds: number;
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
