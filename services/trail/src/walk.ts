import { digestOf } from '@consilium/platform';
import { buckets, ConsiliumError, type Heads, type ModelManifest, objectKeys } from '@consilium/protocol';
import { readHeads, readManifest } from './documents.js';
import { readDocument, type TrailSource } from './source.js';

/** A model of the chain with the bytes its digest was taken of. */
export interface TrailModel {
  readonly manifest: ModelManifest;
  readonly manifestDigest: string;
  readonly folder: string;
}

export type TrailFinding = { readonly error: ConsiliumError; readonly number: number | null };

export interface Walk {
  readonly heads: Heads | undefined;
  /** From 0 upwards; a model that could not be read leaves a gap. */
  readonly models: readonly TrailModel[];
  readonly findings: readonly TrailFinding[];
  /** Folders below the session's that no committed manifest accounts for: left by a reducer that died. */
  readonly orphans: readonly string[];
}

interface Folder {
  readonly number: number;
  readonly id: string;
  readonly keys: readonly string[];
}

const folderPattern = /^trail\/[^/]+\/(\d{6,})-([0-9a-f]{64})\/(.+)$/;

/**
 * Walks a session's manifests backwards from heads, then says what does not belong. The key is the
 * caller's trust anchor; nothing in the bucket is believed that it did not sign.
 */
export async function walkSession(trail: TrailSource, session: string, key: string): Promise<Walk> {
  const folders = await listFolders(trail, session);
  const headsKey = objectKeys.heads(session);
  let heads: Heads;
  try {
    heads = readHeads(await readDocument(trail, buckets.models, headsKey), key, headsKey);
    if (heads.content.session !== session) {
      throw new ConsiliumError('TRAIL_BAD_HEADS', `It is of session ${heads.content.session}.`, {
        where: headsKey,
      });
    }
  } catch (error) {
    if (folders.size === 0) {
      throw new ConsiliumError('TRAIL_NO_SESSION', `Session ${session} has neither models nor heads.`);
    }
    const { findings, models } = await readWithoutHeads(trail, folders, session, key);
    const finding = asTrailError(error, 'TRAIL_BAD_HEADS', headsKey);
    return {
      heads: undefined,
      models,
      findings: [{ error: finding, number: null }, ...findings],
      orphans: [],
    };
  }
  return { heads, ...(await walkBack(trail, session, key, heads, folders)) };
}

async function walkBack(
  trail: TrailSource,
  session: string,
  key: string,
  heads: Heads,
  folders: Map<string, Folder>,
): Promise<Pick<Walk, 'models' | 'findings' | 'orphans'>> {
  const findings: TrailFinding[] = [];
  const models: TrailModel[] = [];
  const committed = new Set<string>();
  let expected: { number: number; id: string; digest: string } | undefined = {
    number: heads.content.latest.number,
    id: heads.content.latest.id,
    digest: heads.content.latest.manifest_digest,
  };
  if (heads.content.count !== heads.content.latest.number + 1) {
    findings.push(
      finding('TRAIL_BAD_HEADS', 'Its count does not fit its latest model.', objectKeys.heads(session), null),
    );
  }
  while (expected !== undefined) {
    const { number, id, digest } = expected;
    const folder = objectKeys.modelFolder(session, number, id);
    committed.add(folder);
    const read = await readModel(trail, session, number, id, key);
    if (!('manifest' in read)) {
      findings.push({ error: read.error, number });
      // The signed content of the next one is gone with it, so every older model is unanchored.
      if (number > 0) {
        const detail = `Models 0 to ${number - 1} cannot be tied to heads any more.`;
        findings.push(finding('TRAIL_BROKEN_CHAIN', detail, folder, number));
        for (const other of folders.values()) {
          if (other.number < number) committed.add(objectKeys.modelFolder(session, other.number, other.id));
        }
      }
      break;
    }
    if (read.manifestDigest !== digest) {
      const detail = `manifest.json has digest ${read.manifestDigest}, the next link says ${digest}.`;
      findings.push(finding('TRAIL_BROKEN_CHAIN', detail, `${folder}/manifest.json`, number));
    }
    models.unshift(read);
    expected = previousOf(read, session, findings);
  }
  const orphans = [...folders.keys()].filter((folder) => !committed.has(folder)).sort();
  // A folder numbered like a committed model is an attempt that lost; one beyond the newest would be as well.
  return { models, findings, orphans };
}

function previousOf(
  model: TrailModel,
  session: string,
  findings: TrailFinding[],
): { number: number; id: string; digest: string } | undefined {
  const { content } = model.manifest;
  if (content.number === 0) {
    if (content.parents.length > 0 || content.previous_manifest !== null) {
      findings.push(finding('TRAIL_BROKEN_CHAIN', 'The first model names a parent.', model.folder, 0));
    }
    return undefined;
  }
  const parent = content.parents[0];
  if (content.parents.length !== 1 || parent === undefined || content.previous_manifest === null) {
    const detail = `Model ${content.number} of ${session} names no single parent.`;
    findings.push(finding('TRAIL_BROKEN_CHAIN', detail, model.folder, content.number));
    return undefined;
  }
  return { number: content.number - 1, id: parent, digest: content.previous_manifest };
}

async function readModel(
  trail: TrailSource,
  session: string,
  number: number,
  id: string,
  key: string,
): Promise<TrailModel | { error: ConsiliumError }> {
  const where = objectKeys.manifest(session, number, id);
  try {
    const bytes = await readDocument(trail, buckets.models, where);
    const manifest = readManifest(bytes, key, where);
    const { content } = manifest;
    if (manifest.id !== id || content.number !== number || content.session !== session) {
      const detail = `It is model ${content.number} of ${content.session}, id ${manifest.id}.`;
      throw new ConsiliumError('TRAIL_SWAPPED', detail, { where });
    }
    return { manifest, manifestDigest: digestOf(bytes), folder: objectKeys.modelFolder(session, number, id) };
  } catch (error) {
    return { error: asTrailError(error, 'TRAIL_MISSING_MANIFEST', where) };
  }
}

/** Without heads nothing says which models were committed; what can be read is still checked one by one. */
async function readWithoutHeads(
  trail: TrailSource,
  folders: Map<string, Folder>,
  session: string,
  key: string,
): Promise<{ models: TrailModel[]; findings: TrailFinding[] }> {
  const models: TrailModel[] = [];
  const findings: TrailFinding[] = [];
  for (const { number, id } of [...folders.values()].sort((a, b) => a.number - b.number)) {
    const read = await readModel(trail, session, number, id, key);
    if ('manifest' in read) models.push(read);
    else findings.push({ error: read.error, number });
  }
  return { models, findings };
}

async function listFolders(trail: TrailSource, session: string): Promise<Map<string, Folder>> {
  const folders = new Map<string, Folder>();
  for await (const { key } of trail.list(buckets.models, `trail/${session}/`)) {
    const match = folderPattern.exec(key);
    if (match === null) continue;
    const number = Number(match[1]);
    const id = match[2]!;
    const name = objectKeys.modelFolder(session, number, id);
    folders.set(name, { number, id, keys: [...(folders.get(name)?.keys ?? []), key] });
  }
  return folders;
}

type TrailCode = Extract<ConsiliumError['code'], `TRAIL_${string}`>;

export function finding(code: TrailCode, detail: string, where: string, number: number | null): TrailFinding {
  return { error: new ConsiliumError(code, detail, { where }), number };
}

/** A missing object becomes `code`; trouble of the store itself (unreachable, denied) is not a finding. */
export function asTrailError(error: unknown, code: TrailCode, where: string): ConsiliumError {
  if (!(error instanceof ConsiliumError)) throw error;
  if (error.code === 'STORE_NOT_FOUND')
    return new ConsiliumError(code, 'The object is not there.', { where });
  if (error.code.startsWith('TRAIL_')) return error;
  throw error;
}
