import { buckets, ConsiliumError, endedStates, objectKeys, type SessionRecord } from '@consilium/protocol';
import { readDocument, readManifest, storeTrail } from '@consilium/trail';
import { type ListedState, readable } from '../state.js';
import type { TrailWriter } from './commit.js';

export interface Garbage {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
}

interface GarbageDeps extends TrailWriter {
  readonly state: { readonly listed: Pick<ListedState, 'sessions'> };
  readonly now: () => number;
}

/**
 * Objects that no record and no committed manifest names: what was written before a commit that never came,
 * and uploads that nobody used. Young objects are spared, since they may belong to something under way.
 */
export async function collectGarbage(
  deps: GarbageDeps,
  options: { dryRun: boolean; minAgeMs: number },
): Promise<Garbage[]> {
  const before = deps.now() - options.minAgeMs;
  const sessions = new Map((await readable(deps.state.listed.sessions)).map((record) => [record.id, record]));
  const named = await namedFolders(deps, sessions);
  const found: Garbage[] = [];
  for (const bucket of [buckets.models, buckets.work]) {
    for await (const { key, size, modified } of deps.store.list(bucket)) {
      if (modified > before) continue;
      const isGarbage =
        bucket === buckets.models ? isLostModel(key, sessions, named) : isLostWork(key, sessions, named);
      if (!isGarbage) continue;
      if (!options.dryRun) await deps.store.delete(bucket, key);
      found.push({ bucket, key, size });
    }
  }
  return found;
}

interface Named {
  readonly folders: ReadonlySet<string>;
  readonly updates: ReadonlySet<string>;
  /** Sessions whose chain could not be read whole: nothing of theirs is garbage. */
  readonly unreadable: ReadonlySet<string>;
}

async function namedFolders(deps: GarbageDeps, sessions: ReadonlyMap<string, SessionRecord>): Promise<Named> {
  const folders = new Set<string>();
  const updates = new Set<string>();
  const unreadable = new Set<string>();
  const trail = storeTrail(deps.store);
  for (const { id: session, head } of sessions.values()) {
    try {
      let at: { number: number; id: string } | undefined = head;
      while (at !== undefined) {
        folders.add(objectKeys.modelFolder(session, at.number, at.id));
        const key = objectKeys.manifest(session, at.number, at.id);
        const bytes = await readDocument(trail, buckets.models, key);
        const { content } = readManifest(bytes, deps.identity.publicKey, key);
        for (const contribution of content.contributions) updates.add(contribution.update_key);
        const parent: string | undefined = content.parents[0];
        at = at.number === 0 || parent === undefined ? undefined : { number: at.number - 1, id: parent };
      }
    } catch (error) {
      if (!(error instanceof ConsiliumError) || !/^(TRAIL_|STORE_NOT_FOUND)/.test(error.code)) throw error;
      unreadable.add(session);
    }
  }
  return { folders, updates, unreadable };
}

/**
 * A model folder of a known session that its chain does not name. Unknown sessions are somebody's history. A
 * number beyond the head, in a session that goes on, may be committed at this very moment, however old it is.
 */
function isLostModel(key: string, sessions: ReadonlyMap<string, SessionRecord>, named: Named): boolean {
  const match = /^(trail\/([^/]+)\/(\d+)-[0-9a-f]{64})\//.exec(key);
  if (match === null) return false;
  const [, folder = '', session = '', number] = match;
  const record = sessions.get(session);
  if (record === undefined || named.unreadable.has(session) || named.folders.has(folder)) return false;
  return endedStates.includes(record.state) || Number(number) <= record.head.number;
}

function isLostWork(key: string, sessions: ReadonlyMap<string, SessionRecord>, named: Named): boolean {
  const [kind, session] = key.split('/');
  if (kind === 'uploads') return true;
  const record = session === undefined ? undefined : sessions.get(session);
  if (record === undefined || named.unreadable.has(record.id) || named.updates.has(key)) return false;
  if (endedStates.includes(record.state)) return true;
  const round = Number(/^[^/]+\/[^/]+\/(\d+)-/.exec(key)?.[1] ?? Number.POSITIVE_INFINITY);
  return round < record.round;
}
