import type { SdkLocation, WarmWorkers } from '@consilium/package-runner';
import type { httpDispatcher, Identity, Logger } from '@consilium/platform';
import type { ClientConfig } from '@consilium/protocol';

import type { AuditLog } from '../audit/log.js';
import type { DataSetIndex } from '../data/data-set.js';
import type { Journal } from '../journal.js';
import type { CombinerLink } from '../link/combiner-link.js';
import type { ObjectCache } from '../objects/cache.js';
import type { SiteFacts } from '../policy.js';
import type { Clock } from '../retry.js';
import type { StateFolders } from '../state/folders.js';

/** What all tasks of a client share. */
export interface TaskContext {
  readonly config: ClientConfig;
  readonly identity: Identity;
  readonly folders: StateFolders;
  readonly link: CombinerLink;
  readonly journal: Journal;
  readonly cache: ObjectCache;
  readonly dataSet: DataSetIndex;
  readonly audit: AuditLog;
  readonly facts: SiteFacts;
  readonly sdk: SdkLocation;
  /** Undefined where client.yaml switches warm workers off. */
  readonly workers: WarmWorkers | undefined;
  /** HTTP connections for objects: through the proxy, with the CA of client.yaml. */
  readonly dispatcher: ReturnType<typeof httpDispatcher>;
  readonly clock: Clock;
  readonly log: Logger;
}
