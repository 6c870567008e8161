import type { Identity, Logger } from '@consilium/platform';
import type { ClientConfig } from '@consilium/protocol';
import type { AuditLog } from './audit/log.js';
import type { Journal, JournalEntry } from './journal.js';
import type { Clock } from './retry.js';
import type { Site } from './site/facts.js';
import type { StateFolders } from './state/folders.js';

/** What a client has of its own, before it speaks to anybody. */
export interface LocalParts {
  readonly config: ClientConfig;
  readonly folders: StateFolders;
  readonly identity: Identity;
  readonly audit: AuditLog;
  readonly journal: Journal;
  /** What the journal held. */
  readonly entries: readonly JournalEntry[];
  readonly site: Site;
  readonly clock: Clock;
  readonly log: Logger;
}
