import { digestOf, sha256, verifyRequest } from '@consilium/platform';
import { allows, apiTokenSchema, type ClientRecord, ConsiliumError, type Role } from '@consilium/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readable } from '../state.js';
import type { ApiContext } from './context.js';

/** Who may call a route: everybody, a person with at least this role, or a client with an enrolled key. */
export type Access = 'open' | 'client' | Role;

export interface Caller {
  readonly kind: 'person' | 'client';
  readonly name: string;
  /** viewer for clients: they have no rights of a person. */
  readonly role: Role;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route says who may call it; one that does not is refused at start. */
    access?: Access;
  }
  interface FastifyRequest {
    caller: Caller | null;
    rawBody: Buffer | null;
  }
}

/** hex sha256 of a token: what is stored in its place, and its key in KV. */
export function tokenHash(token: string): string {
  return sha256(token);
}

/** A route as it was registered. */
export interface GuardedRoute {
  readonly method: string;
  readonly url: string;
  readonly access: Access;
}

/**
 * Authenticates every request before its route runs; a route without `config.access` cannot be registered.
 * Gives the list that fills as routes are registered.
 */
export function guardRoutes(app: FastifyInstance, context: ApiContext): GuardedRoute[] {
  const routes: GuardedRoute[] = [];
  app.decorateRequest('caller', null);
  app.decorateRequest('rawBody', null);
  app.addHook('onRoute', (route) => {
    if (route.config?.access === undefined && !route.url.startsWith('/docs')) {
      throw new ConsiliumError(
        'INTERNAL',
        `Route ${String(route.method)} ${route.url} does not say who may call it.`,
      );
    }
    const access = route.config?.access ?? 'open';
    for (const method of [route.method].flat()) routes.push({ method, url: route.url, access });
  });
  app.addHook('preValidation', async (request) => {
    // An address that is no route has no data to guard; it gets its 404.
    if (request.is404 || request.routeOptions.url?.startsWith('/docs') === true) return;
    const access = request.routeOptions.config.access;
    if (access === undefined)
      throw new ConsiliumError('TRUST_DENIED', 'The route has no rule.', { where: request.url });
    if (access === 'open') return;
    request.caller =
      access === 'client' ? await clientOf(request, context) : await personOf(request, context, access);
  });
  return routes;
}

/** The authenticated caller of a guarded route. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller !== null) return request.caller;
  throw new ConsiliumError('TRUST_UNAUTHENTICATED', 'Nobody was authenticated.', { where: request.url });
}

async function personOf(request: FastifyRequest, context: ApiContext, needed: Role): Promise<Caller> {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'bearer' || token === undefined || !apiTokenSchema.safeParse(token).success) {
    const detail = 'The Authorization header holds no API token (Bearer cat_…).';
    throw new ConsiliumError('TRUST_UNAUTHENTICATED', detail, { where: request.url });
  }
  // The key is a hash, so looking it up tells nothing of the token by its timing.
  const user = (await context.state.users.get(tokenHash(token)))?.value;
  if (user === undefined || user.revoked_at !== null) {
    throw new ConsiliumError('TRUST_UNAUTHENTICATED', 'The API token is unknown or revoked.', {
      where: request.url,
    });
  }
  if (!allows(user.role, needed)) {
    const detail = `${user.name} is ${user.role}; this needs ${needed}.`;
    throw new ConsiliumError('TRUST_DENIED', detail, { where: `${request.method} ${request.url}` });
  }
  return { kind: 'person', name: user.name, role: user.role };
}

async function clientOf(request: FastifyRequest, context: ApiContext): Promise<Caller> {
  const { publicKey } = await verifyRequest({
    method: request.method,
    path: request.url,
    bodyDigest: digestOf(request.rawBody ?? Buffer.alloc(0)),
    headers: request.headers,
    now: context.now(),
    nonces: context.nonces,
    known: (key) => enrolled(context, key, request.url),
  });
  const record = await enrolled(context, publicKey, request.url);
  return { kind: 'client', name: record.client, role: 'viewer' };
}

/** @throws ConsiliumError TRUST_UNKNOWN_CLIENT, TRUST_REVOKED */
async function enrolled(context: ApiContext, key: string, where: string): Promise<ClientRecord> {
  const record = await clientByKey(context, key);
  if (record === undefined) {
    throw new ConsiliumError('TRUST_UNKNOWN_CLIENT', `No client has enrolled with ${key}.`, { where });
  }
  if (record.revoked_at !== null) {
    throw new ConsiliumError('TRUST_REVOKED', `${record.client} was revoked.`, { where });
  }
  return record;
}

/** The mirror says which name a key has; what holds for that client is read where it is stored. */
async function clientByKey(context: ApiContext, key: string): Promise<ClientRecord | undefined> {
  const known = context.fleet.clients().find((record) => record.key === key);
  const stored = known === undefined ? undefined : (await context.state.clients.get(known.client))?.value;
  if (stored?.key === key) return stored;
  // It may have enrolled just now, at another reducer.
  return (await readable(context.state.listed.clients)).find((record) => record.key === key);
}
