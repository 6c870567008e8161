export type {
  AccountLimits,
  AccountNats,
  ConnectionType,
  JwtClaims,
  NatsClaims,
  OperatorNats,
  Permission,
  Permissions,
  ResponsePermission,
  UserNats,
} from './claims.js';
export { unlimitedAccount } from './claims.js';
export { decodeJwt, type VerifyJwtOptions, verifyJwt } from './decode.js';
export { accountJwt, encodeJwt, type JwtSubject, operatorJwt, userJwt } from './encode.js';
export { revokeUsers } from './revoke.js';
