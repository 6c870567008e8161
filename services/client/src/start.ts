import {
  type FolderLock,
  type HealthServer,
  type Identity,
  type Logger,
  loadOrCreateIdentity,
  lockFolder,
  serveHealth,
} from '@consilium/platform';
import type { ClientConfig } from '@consilium/protocol';
import { type AuditLog, openAudit } from './audit/log.js';
import { Connection } from './connection.js';
import { Journal, type JournalEntry } from './journal.js';
import { type Clock, systemClock } from './retry.js';
import { lookAround, type Site } from './site/facts.js';
import { prepareFolders, stateFolders } from './state/folders.js';

export interface ClientDeps {
  readonly log: Logger;
  /** Time and chance; the system's by default. */
  readonly clock?: Clock;
}

/** A client that works. It goes on whatever happens to the reducer, the combiner, NATS or the store. */
export interface RunningClient {
  readonly name: string;
  /** This site's public key. */
  readonly key: string;
  /** Address of the health routes, if there are any. */
  readonly healthUrl: string | undefined;
  /** Resolves at the first answer of a combiner; rejects when the client has to end before that. */
  readonly connected: Promise<void>;
  /**
   * Resolves after `stop`. Rejects when there is no point in going on: the token is used up, the reducer is
   * another one than before, the versions do not fit. `stop` must be called all the same.
   */
  readonly ended: Promise<void>;
  /**
   * Ends running tasks, reports them as interrupted, closes everything. Never rejects.
   * @param graceMs for the reports; 10,000 by default
   */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Starts a client: takes hold of its state folder, says what it is and what it may run, then joins in the
 * background.
 *
 * @throws ConsiliumError CLIENT_STATE_IN_USE, CLIENT_STATE_UNWRITABLE, CLIENT_AUDIT_BROKEN,
 *   CLIENT_ACCELERATOR_MISSING, UP_PORT_TAKEN (health.port), TRUST_KEY_READABLE, TRUST_BAD_KEY, PKG_START_FAILED
 */
export async function startClient(config: ClientConfig, deps: ClientDeps): Promise<RunningClient> {
  const { log, clock = systemClock } = deps;
  const folders = stateFolders(config.state);
  const lock = await lockFolder(folders.root, {
    file: 'client.lock',
    inUse: 'CLIENT_STATE_IN_USE',
    holder: 'a client that runs',
    unwritable: 'CLIENT_STATE_UNWRITABLE',
  });
  let audit: AuditLog | undefined;
  let health: HealthServer | undefined;
  let connection: Connection | undefined;
  try {
    await prepareFolders(folders);
    const identity = await loadOrCreateIdentity(folders.keyFile, 'user');
    const site = await lookAround(config);
    audit = await openAudit(folders.audit, clock.now);
    if (audit.repairedBytes > 0) {
      log.warn(
        { bytes: audit.repairedBytes },
        'the last line of the audit log was cut off by a crash; repaired',
      );
    }
    const journal = new Journal(folders.tasks);
    const entries = await loadJournal(journal, log);
    await audit.append('client.started', { key: identity.publicKey, url: config.url, ...site.capabilities });
    introduce(config, identity, site, log);
    if (config.health !== undefined) {
      health = await serveHealth(config.health, () => connection?.health() ?? { ready: false });
    }
    connection = new Connection({
      config,
      folders,
      identity,
      audit,
      journal,
      entries,
      site,
      clock,
      log,
    });
    return running(connection, { config, identity, audit, lock, log, health });
  } catch (error) {
    await health?.close();
    await audit?.close();
    await lock.release();
    throw error;
  }
}

function running(
  connection: Connection,
  parts: {
    config: ClientConfig;
    identity: Identity;
    audit: AuditLog;
    lock: FolderLock;
    log: Logger;
    health: HealthServer | undefined;
  },
): RunningClient {
  const { config, identity, audit, lock, log, health } = parts;
  let stopped: Promise<void> | undefined;
  const stop = async (graceMs: number): Promise<void> => {
    try {
      await connection.stop(graceMs);
      await audit.append('client.stopped', {});
    } catch (error) {
      log.error({ err: error }, 'the client did not stop in order');
    } finally {
      await health?.close();
      await audit.close();
      await lock.release();
    }
  };
  return {
    name: config.name,
    key: identity.publicKey,
    healthUrl: health?.url,
    connected: connection.connected,
    ended: connection.ended,
    stop: (graceMs = 10_000) => (stopped ??= stop(graceMs)),
  };
}

/** What an earlier run left: results to be sent; unfinished work is done anew if it still holds. */
async function loadJournal(journal: Journal, log: Logger): Promise<JournalEntry[]> {
  const { entries, damaged } = await journal.load();
  for (const { detail, where } of damaged) {
    log.warn({ detail, where }, 'an entry of the task journal was damaged and has been removed');
  }
  const kept: JournalEntry[] = [];
  for (const entry of entries) {
    if (entry.result === undefined) await journal.remove(entry.task.id);
    else kept.push(entry);
  }
  if (kept.length > 0)
    log.info({ tasks: kept.map(({ task }) => task.id) }, 'results of an earlier run are waiting');
  return kept;
}

/** Who this is, what may be run here and in which walls: the first thing hospital IT wants to see. */
function introduce(config: ClientConfig, identity: Identity, site: Site, log: Logger): void {
  const { policy } = config;
  const { isolation, accelerator, sdk, node } = site.capabilities;
  log.info({ client: config.name, key: identity.publicKey, url: config.url }, 'client starts');
  log.info(
    { isolation, accelerator, sdk, node, network: policy.network },
    'what this machine gives to packages',
  );
  if (site.facts.isolation.isolation === 'process') {
    const refused =
      policy.isolation === 'sandbox' ? '; policy.isolation is sandbox, so every task is refused' : '';
    log.warn(
      { reason: site.facts.isolation.detail },
      `packages run without a sandbox here: they can read what this client can, its key too, and reach the network${refused}`,
    );
  }
  const { allowed_signers: signers, allowed_digests: digests } = policy;
  if (signers.length + digests.length === 0) {
    log.warn('no package may run here: policy.allowed_signers and policy.allowed_digests are empty');
  } else {
    log.info({ signers, digests }, 'packages of these signers, and these packages, may run here');
  }
}
