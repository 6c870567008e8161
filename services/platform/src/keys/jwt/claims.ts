/**
 * NATS JWT claims, version 2, as far as we use them (github.com/nats-io/jwt, v2). Limits are always
 * written out: what is missing reads as 0, which for JetStream means "none at all".
 */

/** -1 stands for "no limit" in every number. */
export interface AccountLimits {
  readonly subs: number;
  readonly data: number;
  readonly payload: number;
  readonly imports: number;
  readonly exports: number;
  readonly wildcards: boolean;
  readonly conn: number;
  readonly leaf: number;
  /** JetStream: bytes in memory and on disk, numbers of streams and consumers. */
  readonly mem_storage: number;
  readonly disk_storage: number;
  readonly streams: number;
  readonly consumer: number;
}

export interface Permission {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/** Right to publish to the reply subject of what was received: so many times, so long. */
export interface ResponsePermission {
  readonly max: number;
  /** Nanoseconds. */
  readonly ttl: number;
}

export interface Permissions {
  readonly pub: Permission;
  readonly sub: Permission;
  readonly resp?: ResponsePermission;
}

export type ConnectionType = 'STANDARD' | 'WEBSOCKET';

export interface OperatorNats {
  readonly type: 'operator';
  readonly version: 2;
  readonly signing_keys?: readonly string[];
  readonly system_account?: string;
}

export interface AccountNats {
  readonly type: 'account';
  readonly version: 2;
  readonly limits: AccountLimits;
  readonly signing_keys?: readonly string[];
  /** Public key (or `*`) to the time, in seconds since 1970, before which its JWTs do not hold. */
  readonly revocations?: Readonly<Record<string, number>>;
  readonly default_permissions: { readonly pub: Permission; readonly sub: Permission };
  readonly authorization: Readonly<Record<string, never>>;
}

export interface UserNats extends Permissions {
  readonly type: 'user';
  readonly version: 2;
  readonly subs: number;
  readonly data: number;
  readonly payload: number;
  readonly bearer_token: false;
  readonly allowed_connection_types?: readonly ConnectionType[];
  /** The account, when a signing key of it has signed. */
  readonly issuer_account?: string;
}

export type NatsClaims = OperatorNats | AccountNats | UserNats;

/** All members of a JWT. Times are in seconds since 1970. */
export interface JwtClaims<N extends NatsClaims = NatsClaims> {
  readonly jti: string;
  readonly iat: number;
  readonly exp?: number;
  /** Public key of the signer. */
  readonly iss: string;
  /** Public key of the subject. */
  readonly sub: string;
  readonly name?: string;
  readonly nats: N;
}

export const unlimitedAccount: AccountLimits = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
  mem_storage: 0,
  disk_storage: 0,
  streams: 0,
  consumer: 0,
};
