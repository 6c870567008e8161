import { createHash } from 'node:crypto';
import { encodeBase32 } from '../base32.js';
import { canonicalJson } from '../canonical-json.js';
import { type Identity, requirePublicKey } from '../identity.js';
import type {
  AccountLimits,
  AccountNats,
  ConnectionType,
  NatsClaims,
  OperatorNats,
  Permissions,
  UserNats,
} from './claims.js';

/** Who the JWT is about, and when it was made and ends (ms since 1970; no end if left out). */
export interface JwtSubject {
  readonly subject: string;
  readonly name: string;
  readonly now: number;
  readonly expiresAt?: number;
}

/**
 * A NATS JWT: header, claims and signature in base64url, joined by dots. Its `jti` is the base32 of
 * the SHA-512/256 of the claims without it, as the Go library makes it.
 */
export function encodeJwt(about: JwtSubject, nats: NatsClaims, signer: Identity): string {
  const claims = {
    iat: Math.floor(about.now / 1000),
    iss: signer.publicKey,
    name: about.name,
    sub: about.subject,
    ...(about.expiresAt === undefined ? {} : { exp: Math.floor(about.expiresAt / 1000) }),
    nats,
  };
  const jti = encodeBase32(createHash('sha512-256').update(canonicalJson(claims)).digest());
  const header = base64url('{"typ":"JWT","alg":"ed25519-nkey"}');
  const body = `${header}.${base64url(canonicalJson({ ...claims, jti }))}`;
  return `${body}.${Buffer.from(signer.sign(Buffer.from(body))).toString('base64url')}`;
}

/** @throws ConsiliumError TRUST_BAD_KEY when a key is of the wrong kind. */
export function operatorJwt(
  about: JwtSubject & { signingKeys: readonly string[]; systemAccount: string },
  operator: Identity,
): string {
  requirePublicKey(about.subject, 'operator', 'operator');
  const nats: OperatorNats = {
    type: 'operator',
    version: 2,
    signing_keys: about.signingKeys.map((key) => requirePublicKey(key, 'operator signing key', 'operator')),
    system_account: requirePublicKey(about.systemAccount, 'system account', 'account'),
  };
  return encodeJwt(about, nats, operator);
}

/** @throws ConsiliumError TRUST_BAD_KEY when a key is of the wrong kind. */
export function accountJwt(
  about: JwtSubject & {
    limits: AccountLimits;
    signingKeys?: readonly string[];
    revocations?: Readonly<Record<string, number>>;
  },
  operatorKey: Identity,
): string {
  requirePublicKey(about.subject, 'account', 'account');
  const keys = (about.signingKeys ?? []).map((key) =>
    requirePublicKey(key, 'account signing key', 'account'),
  );
  const nats: AccountNats = {
    type: 'account',
    version: 2,
    limits: about.limits,
    ...(keys.length === 0 ? {} : { signing_keys: keys }),
    ...(about.revocations === undefined ? {} : { revocations: about.revocations }),
    default_permissions: { pub: {}, sub: {} },
    authorization: {},
  };
  return encodeJwt(about, nats, operatorKey);
}

/**
 * @param signer the account key itself, or a signing key of the account.
 * @throws ConsiliumError TRUST_BAD_KEY when a key is of the wrong kind.
 */
export function userJwt(
  about: JwtSubject & {
    /** Public key of the account. */
    account: string;
    permissions: Permissions;
    connectionTypes?: readonly ConnectionType[];
    /** Subscriptions of one connection; without limit if left out. */
    subscriptions?: number;
  },
  signer: Identity,
): string {
  requirePublicKey(about.subject, 'user', 'user');
  requirePublicKey(about.account, 'account', 'account');
  requirePublicKey(signer.publicKey, 'account signing key', 'account');
  const nats: UserNats = {
    type: 'user',
    version: 2,
    subs: about.subscriptions ?? -1,
    data: -1,
    payload: -1,
    bearer_token: false,
    pub: about.permissions.pub,
    sub: about.permissions.sub,
    ...(about.permissions.resp === undefined ? {} : { resp: about.permissions.resp }),
    ...(about.connectionTypes === undefined ? {} : { allowed_connection_types: about.connectionTypes }),
    ...(signer.publicKey === about.account ? {} : { issuer_account: about.account }),
  };
  return encodeJwt(about, nats, signer);
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
