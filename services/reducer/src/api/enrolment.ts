import { verifyDocument } from '@consilium/platform';
import {
  type ClientRecord,
  ConsiliumError,
  type EnrolReply,
  type EnrolRequest,
  enrolReplySchema,
  enrolRequestSchema,
  infoSchema,
  oldestProtocolVersion,
  productVersion,
  protocolVersion,
  purposes,
} from '@consilium/protocol';
import { z } from 'zod';
import { readable } from '../state.js';
import { callerOf, tokenHash } from './auth.js';
import type { ApiContext } from './context.js';
import { untilNoConflict } from './retry.js';
import type { Api } from './server.js';

export function enrolmentRoutes(api: Api, context: ApiContext): void {
  api.route({
    method: 'GET',
    url: '/info',
    config: { access: 'open' },
    schema: { summary: 'What this reducer is', response: { 200: infoSchema } },
    handler: () => ({
      product: 'consilium' as const,
      version: productVersion,
      protocol: protocolVersion,
      oldest_protocol: oldestProtocolVersion,
      reducer_key: context.identity.publicKey,
    }),
  });

  api.route({
    method: 'POST',
    url: '/enrol',
    config: { access: 'open' },
    schema: {
      summary: 'A site joins with a one-time token',
      body: enrolRequestSchema,
      response: { 200: enrolReplySchema },
    },
    handler: async (request) => {
      const { body } = request;
      checkProtocol(body.protocol, body.version);
      // Two requests with one token or one name: the second looks again and gets the reason.
      await untilNoConflict(() => enrol(context, body));
      await context.audit.append('client.enrolled', { client: body.client, key: body.key });
      return accessFor(context, body.client, body.key);
    },
  });

  api.route({
    method: 'POST',
    url: '/renew',
    config: { access: 'client' },
    schema: {
      summary: 'A fresh NATS credential for an enrolled site',
      body: z.strictObject({ protocol: z.int(), version: z.string(), client: z.string() }),
      response: { 200: enrolReplySchema },
    },
    handler: async (request) => {
      checkProtocol(request.body.protocol, request.body.version);
      const { name } = callerOf(request);
      const record = (await context.state.clients.get(name))?.value;
      if (record === undefined || record.client !== request.body.client) {
        const detail = `The key belongs to ${name}, the request is for ${request.body.client}.`;
        throw new ConsiliumError('TRUST_WRONG_NAME', detail, { where: 'client' });
      }
      return accessFor(context, name, record.key);
    },
  });
}

function checkProtocol(protocol: number, version: string): void {
  if (protocol >= oldestProtocolVersion && protocol <= protocolVersion) return;
  const detail = `The client (${version}) speaks protocol ${protocol}; this reducer (${productVersion}) speaks ${oldestProtocolVersion} to ${protocolVersion}.`;
  throw new ConsiliumError('TRUST_VERSION', detail, { where: 'protocol' });
}

/**
 * Binds token, name and key to each other, in that order, each by compare-and-set; repeating the same
 * request after a crash in between succeeds.
 */
async function enrol(context: ApiContext, request: EnrolRequest): Promise<void> {
  const { token, client, key, proof } = request;
  verifyDocument(purposes.joinToken, { token, client, key }, { key, value: proof }, key, 'proof');
  const now = new Date(context.now()).toISOString();
  const entry = await context.state.joinTokens.get(tokenHash(token));
  if (entry === undefined) {
    throw new ConsiliumError('TRUST_BAD_JOIN_TOKEN', 'The join token is unknown here.', { where: 'token' });
  }
  const record = entry.value;
  if (record.used_by !== null && record.used_by !== key) {
    const detail = `The token was used by ${record.used_client} with another key, ${record.used_by}.`;
    throw new ConsiliumError('TRUST_TOKEN_USED', detail, { where: 'token' });
  }
  if (record.used_by === null && record.expires_at <= now) {
    throw new ConsiliumError('TRUST_BAD_JOIN_TOKEN', `The join token expired at ${record.expires_at}.`, {
      where: 'token',
    });
  }
  const bound = record.used_client ?? record.client;
  if (bound !== null && bound !== client) {
    throw new ConsiliumError('TRUST_WRONG_NAME', `The token is for ${bound}, not for ${client}.`, {
      where: 'name',
    });
  }
  const there = (await context.state.clients.get(client))?.value;
  if (there !== undefined && there.key !== key) {
    throw new ConsiliumError('TRUST_NAME_TAKEN', `${client} has enrolled with another key.`, {
      where: 'name',
    });
  }
  if (there?.revoked_at != null) {
    throw new ConsiliumError('TRUST_REVOKED', `${client} was revoked at ${there.revoked_at}.`, {
      where: 'name',
    });
  }
  const all = await readable(context.state.listed.clients);
  const other = all.find((known) => known.key === key && known.client !== client);
  if (other !== undefined) {
    // A key stands for one site: requests and updates are told apart by it.
    throw new ConsiliumError('TRUST_KEY_ENROLLED', `${key} is the key of ${other.client}.`, { where: 'key' });
  }
  if (record.used_by === null) {
    await context.state.joinTokens.update(
      entry.key,
      { ...record, used_by: key, used_client: client },
      entry.revision,
    );
  }
  if (there !== undefined) return;
  const fresh: ClientRecord = {
    schema: 1,
    client,
    key,
    enrolled_at: now,
    revoked_at: null,
    combiner: null,
    capabilities: {},
    version: request.version,
  };
  await context.state.clients.create(client, fresh);
}

async function accessFor(context: ApiContext, client: string, key: string): Promise<EnrolReply> {
  const { jwt, expiresAt } = await context.nats.jwtFor(client, key);
  return {
    client,
    jwt,
    jwt_expires_at: new Date(expiresAt).toISOString(),
    nats: [...context.nats.urls],
    reducer_key: context.identity.publicKey,
    protocol: protocolVersion,
    version: productVersion,
  };
}
