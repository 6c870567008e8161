import { clientPermissions, serviceInbox } from '@consilium/protocol';
import type { Identity } from '../keys/identity.js';
import type { Permissions } from '../keys/jwt/claims.js';
import { userJwt } from '../keys/jwt/encode.js';

/** How long a client's user JWT holds, in ms. */
export const CLIENT_JWT_TTL = 10 * 60_000;

/** A client needs two: its inbox and what is sent to it. Each costs the server memory. */
const CLIENT_SUBSCRIPTIONS = 64;

/**
 * What a client may do on NATS: publish upwards under its own name, subscribe to what is sent to it
 * and to its own inbox. Allow lists leave nothing else: no other client, no JetStream, no KV.
 */
export function permissionsForClient(clientId: string): Permissions {
  const { publish, subscribe } = clientPermissions(clientId);
  return { pub: { allow: publish }, sub: { allow: subscribe } };
}

/**
 * What a service may do. It answers clients by the right to reply to what it received, so it needs
 * no right on their inboxes; JetStream and KV are its own, the system account never.
 *
 * @param name unique name of the service instance; its inbox carries it.
 */
export function permissionsForService(name: string): Permissions {
  return {
    pub: { allow: ['consilium.>', '$JS.API.>', '$JS.ACK.>', '$JS.FC.>', '$KV.>'], deny: ['$SYS.>'] },
    sub: { allow: ['consilium.>', `${serviceInbox(name)}.>`], deny: ['$SYS.>'] },
    // The time covers a slow answer. Newer servers (seen on 2.15) count it as an answer when a request
    // reaches two subscriptions of one connection, so one alone would leave such a request unanswered.
    resp: { max: 8, ttl: 5 * 60 * 1e9 },
  };
}

/** @param now milliseconds since 1970. */
export function userJwtForClient(options: {
  clientId: string;
  publicKey: string;
  /** Public key of the account. */
  account: string;
  accountSigningKey: Identity;
  now: number;
  /** Milliseconds; ten minutes if left out. */
  ttl?: number;
}): string {
  const { clientId, publicKey, account, accountSigningKey, now, ttl = CLIENT_JWT_TTL } = options;
  return userJwt(
    {
      subject: publicKey,
      name: clientId,
      now,
      expiresAt: now + ttl,
      account,
      permissions: permissionsForClient(clientId),
      connectionTypes: ['STANDARD', 'WEBSOCKET'],
      subscriptions: CLIENT_SUBSCRIPTIONS,
    },
    accountSigningKey,
  );
}

/**
 * The JWT of a service. Without `ttl` it has no end, as in a credentials file of the bootstrap;
 * a service that holds the signing key renews its own.
 * @param now milliseconds since 1970.
 */
export function userJwtForService(options: {
  name: string;
  publicKey: string;
  account: string;
  accountSigningKey: Identity;
  now: number;
  ttl?: number;
}): string {
  const { name, publicKey, account, accountSigningKey, now, ttl } = options;
  return userJwt(
    {
      subject: publicKey,
      name,
      now,
      ...(ttl === undefined ? {} : { expiresAt: now + ttl }),
      account,
      permissions: permissionsForService(name),
      connectionTypes: ['STANDARD', 'WEBSOCKET'],
    },
    accountSigningKey,
  );
}
