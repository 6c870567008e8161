import {
  buckets,
  ConsiliumError,
  type ModelManifest,
  type ModelView,
  modelDownloadSchema,
  modelViewSchema,
  objectKeys,
  type SessionRecord,
} from '@consilium/protocol';
import { readDocument, readManifest, storeTrail } from '@consilium/trail';
import { z } from 'zod';
import { readable } from '../state.js';
import { type ApiContext, urlSeconds } from './context.js';
import type { Api } from './server.js';
import { sessionOf } from './sessions.js';

export function modelRoutes(api: Api, context: ApiContext): void {
  api.route({
    method: 'GET',
    url: '/sessions/:id/models',
    config: { access: 'viewer' },
    schema: {
      summary: 'The committed models of a session, oldest first',
      params: z.object({ id: z.string() }),
      response: { 200: z.array(modelViewSchema) },
    },
    handler: async (request) => modelsOf(context, (await sessionOf(context, request.params.id)).value),
  });

  api.route({
    method: 'GET',
    url: '/models',
    config: { access: 'viewer' },
    schema: {
      summary: 'One model: an id or the beginning of one, or <session>/latest, /best or /<number>',
      querystring: z.object({ ref: z.string().min(1).max(200) }),
      response: { 200: modelDownloadSchema },
    },
    handler: async (request) => {
      const model = await findModel(context, request.query.ref);
      const manifestKey = objectKeys.manifest(model.session, model.number, model.id);
      const weights = await context.store.signGet(buckets.models, model.weights.key, urlSeconds);
      const manifest = await context.store.signGet(buckets.models, manifestKey, urlSeconds);
      return { model, weights_url: weights.url, manifest_url: manifest.url };
    },
  });
}

/** Walks from the head backwards, so that what is listed is what was committed. */
async function modelsOf(context: ApiContext, record: SessionRecord): Promise<ModelView[]> {
  const views: ModelView[] = [];
  let at: { number: number; id: string } | undefined = record.head;
  while (at !== undefined) {
    const manifest = await manifestOf(context, record.id, at.number, at.id);
    views.unshift(viewOf(manifest, record));
    const parent: string | undefined = manifest.content.parents[0];
    at = at.number === 0 || parent === undefined ? undefined : { number: at.number - 1, id: parent };
  }
  return views;
}

async function manifestOf(
  context: ApiContext,
  session: string,
  number: number,
  id: string,
): Promise<ModelManifest> {
  const key = objectKeys.manifest(session, number, id);
  const bytes = await readDocument(storeTrail(context.store), buckets.models, key);
  return readManifest(bytes, context.identity.publicKey, key);
}

async function findModel(context: ApiContext, ref: string): Promise<ModelView> {
  const [session, which] = ref.split('/');
  if (session !== undefined && which !== undefined) return namedModel(context, session, which);
  if (!/^[0-9a-f]{4,64}$/.test(ref)) {
    const detail = `"${ref}" is neither an id of at least 4 hexadecimal digits nor <session>/latest, /best or /<number>.`;
    throw new ConsiliumError('TRAIL_NO_MODEL', detail, { where: 'ref' });
  }
  const found: ModelView[] = [];
  for (const record of await readable(context.state.listed.sessions)) {
    found.push(...(await modelsOf(context, record)).filter((model) => model.id.startsWith(ref)));
  }
  if (found.length > 1) {
    const ids = found.map((model) => model.id.slice(0, 16)).join(', ');
    throw new ConsiliumError('TRAIL_AMBIGUOUS', `${ref} begins ${ids}.`, { where: 'ref' });
  }
  if (found[0] === undefined)
    throw new ConsiliumError('TRAIL_NO_MODEL', `No id begins with ${ref}.`, { where: 'ref' });
  return found[0];
}

async function namedModel(context: ApiContext, session: string, which: string): Promise<ModelView> {
  const { value: record } = await sessionOf(context, session);
  const known = which === 'latest' ? record.head : which === 'best' ? record.best : null;
  if (known !== null) return viewOf(await manifestOf(context, record.id, known.number, known.id), record);
  const models = /^\d+$/.test(which) ? await modelsOf(context, record) : [];
  const found = models.find((model) => model.number === Number(which));
  if (found !== undefined) return found;
  const detail =
    which === 'best' ? `${session} has no best model yet.` : `${session} has no model "${which}".`;
  throw new ConsiliumError('TRAIL_NO_MODEL', detail, { where: 'ref' });
}

function viewOf({ id, content }: ModelManifest, record: SessionRecord): ModelView {
  const { session, number, round, created_at, num_examples, contributions, metrics, weights } = content;
  const key = objectKeys.weights(session, number, id);
  return {
    session,
    number,
    id,
    round,
    created_at,
    num_examples,
    contributions: contributions.length,
    metrics,
    latest: record.head.id === id,
    best: record.best?.id === id,
    weights: { bucket: buckets.models, key, digest: weights.digest, size: weights.size },
  };
}
