import { ConsiliumError } from '@consilium/protocol';
import { type Identity, identityFromSeed } from '../keys/identity.js';
import { decodeJwt } from '../keys/jwt/decode.js';

/** Who connects: a key that stays here, and where its user JWT comes from. */
export interface BusCredentials {
  readonly identity: Identity;
  /** Asked before a connection is made when the last JWT is missing, refused or about to expire. */
  readonly jwt: () => Promise<string> | string;
}

const PARTS = /-{3,}BEGIN [^-]+-{3,}\s+([A-Za-z0-9._=-]+)\s+-{3,}END [^-]+-{3,}/g;

/**
 * Reads the content of a NATS `.creds` file.
 * @param where the file, for the error.
 * @throws ConsiliumError TRUST_BAD_JWT, TRUST_BAD_KEY
 */
export function parseCreds(text: string, where = 'creds'): BusCredentials {
  const [jwt, seed] = [...text.matchAll(PARTS)].map((match) => match[1]);
  if (jwt === undefined || seed === undefined) {
    throw new ConsiliumError('TRUST_BAD_JWT', 'It is not a NATS credentials file.', { where });
  }
  const identity = identityFromSeed(seed, where);
  if (decodeJwt(jwt, where).sub !== identity.publicKey) {
    throw new ConsiliumError('TRUST_BAD_JWT', 'Its JWT is not for its key.', { where });
  }
  return { identity, jwt: () => jwt };
}

/** The content of a NATS `.creds` file, as `nsc` writes it. */
export function formatCreds(jwt: string, identity: Identity): string {
  return [
    '-----BEGIN NATS USER JWT-----',
    jwt,
    '------END NATS USER JWT------',
    '',
    '-----BEGIN USER NKEY SEED-----',
    identity.seed(),
    '------END USER NKEY SEED------',
    '',
  ].join('\n');
}
