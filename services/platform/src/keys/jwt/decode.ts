import { ConsiliumError } from '@consilium/protocol';
import { isPublicKey, verify } from '../identity.js';
import type { JwtClaims, NatsClaims } from './claims.js';

/**
 * Reads the claims of a NATS JWT and checks its form, not its signature: use `verifyJwt` before
 * believing any of it.
 *
 * @param where what the JWT belongs to, for the error.
 * @throws ConsiliumError TRUST_BAD_JWT
 */
export function decodeJwt(jwt: string, where = 'JWT'): JwtClaims {
  const parts = jwt.trim().split('.');
  const [head, body] = parts.slice(0, 2).map(parse);
  if (parts.length !== 3 || head === undefined || body === undefined) {
    throw new ConsiliumError('TRUST_BAD_JWT', 'It is not three base64url parts with JSON.', { where });
  }
  if (head.alg !== 'ed25519-nkey' || String(head.typ).toUpperCase() !== 'JWT') {
    throw new ConsiliumError('TRUST_BAD_JWT', `Its algorithm is ${String(head.alg)}, not ed25519-nkey.`, {
      where,
    });
  }
  const { iss, sub, iat, exp, nats } = body;
  const keys = isKey(iss) && isKey(sub);
  const times = Number.isSafeInteger(iat) && (exp === undefined || Number.isSafeInteger(exp));
  const typed = typeof nats === 'object' && nats !== null && (nats as { version?: unknown }).version === 2;
  if (!keys || !times || !typed) {
    throw new ConsiliumError('TRUST_BAD_JWT', 'Its claims are not those of a NATS JWT, version 2.', {
      where,
    });
  }
  return body as unknown as JwtClaims;
}

/** What a JWT is checked against. Everything comes from the caller, nothing from the JWT. */
export interface VerifyJwtOptions {
  /** Public keys that may have signed it. */
  readonly issuers: readonly string[];
  readonly type: NatsClaims['type'];
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly where?: string;
}

/**
 * Checks signature, issuer, type and expiry and returns the claims.
 * @throws ConsiliumError TRUST_BAD_JWT, TRUST_JWT_EXPIRED
 */
export function verifyJwt(jwt: string, options: VerifyJwtOptions): JwtClaims {
  const { issuers, type, now, where = 'JWT' } = options;
  const claims = decodeJwt(jwt, where);
  if (!issuers.includes(claims.iss)) {
    throw new ConsiliumError('TRUST_BAD_JWT', `Its issuer ${claims.iss} is not trusted for this.`, { where });
  }
  const text = jwt.trim();
  const dot = text.lastIndexOf('.');
  const signature = Buffer.from(text.slice(dot + 1), 'base64url');
  if (!verify(claims.iss, Buffer.from(text.slice(0, dot)), signature)) {
    throw new ConsiliumError('TRUST_BAD_JWT', 'Its signature does not fit its content.', { where });
  }
  if (claims.nats.type !== type) {
    throw new ConsiliumError('TRUST_BAD_JWT', `It is for a NATS ${claims.nats.type}, not ${type}.`, {
      where,
    });
  }
  if (claims.exp !== undefined && claims.exp * 1000 <= now) {
    const at = new Date(claims.exp * 1000).toISOString();
    throw new ConsiliumError('TRUST_JWT_EXPIRED', `It ended at ${at}.`, { where });
  }
  return claims;
}

function parse(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isKey(value: unknown): boolean {
  return typeof value === 'string' && isPublicKey(value);
}
