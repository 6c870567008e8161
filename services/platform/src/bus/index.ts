export { type ConnectOptions, connectBus } from './connect.js';
export { type BusCredentials, formatCreds, parseCreds } from './credentials.js';
export {
  advisories,
  hasFeature,
  openAdvisories,
  requireFeature,
  requireServer,
  type ServerFeature,
  serverFeatures,
} from './features.js';
export { type KvBucket, type KvChange, type KvEntry, type KvOptions, openKv } from './kv.js';
export { acquireLease, type Lease, type LeaseOptions, type LeaseRecord } from './lease.js';
export {
  CLIENT_JWT_TTL,
  permissionsForClient,
  permissionsForService,
  userJwtForClient,
  userJwtForService,
} from './permissions.js';
export { pushAccountJwt } from './push-account.js';
export { openRecords, type RecordBucket } from './records.js';
export {
  type EventStream,
  openStream,
  type PublishOptions,
  type StreamMessage,
  type StreamOptions,
} from './streams.js';
export type {
  Bus,
  BusMessage,
  BusState,
  BusStatus,
  BusSubscription,
  RequestOptions,
  SubscribeOptions,
} from './types.js';
