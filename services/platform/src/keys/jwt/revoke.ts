import type { Identity } from '../identity.js';
import type { AccountNats } from './claims.js';
import { decodeJwt } from './decode.js';
import { encodeJwt } from './encode.js';

/**
 * The account's JWT with users revoked: every user JWT of that key issued until `now` stops to hold,
 * and connections that use one are cut when a server gets this. Limits and signing keys stay.
 *
 * @param accountText the account's present JWT, from the operator's own files or from a server; its
 *   signature is the caller's to check (`verifyJwt`).
 * @param now milliseconds since 1970.
 * @throws ConsiliumError TRUST_BAD_JWT
 */
export function revokeUsers(
  accountText: string,
  publicKeys: readonly string[],
  operatorSigningKey: Identity,
  now: number,
): string {
  const claims = decodeJwt(accountText, 'account JWT');
  const nats = claims.nats as AccountNats;
  const revocations: Record<string, number> = { ...nats.revocations };
  for (const key of publicKeys) revocations[key] = Math.floor(now / 1000);
  const about = { subject: claims.sub, name: claims.name ?? 'consilium', now };
  return encodeJwt(about, { ...nats, revocations }, operatorSigningKey);
}
