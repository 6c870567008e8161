import { ConsiliumError, oldestProtocolVersion, productVersion, protocolVersion } from '@consilium/protocol';

export interface SpokenVersions {
  readonly version: string;
  readonly protocol: number;
  /** The oldest protocol the other side still serves; its own if it does not say. */
  readonly oldest?: number;
}

/** @throws ConsiliumError CLIENT_VERSION_MISMATCH naming both versions and which one to update */
export function requireCompatible(reducer: SpokenVersions, where: string): void {
  const clientTooOld = protocolVersion < (reducer.oldest ?? oldestProtocolVersion);
  const clientTooNew = protocolVersion > reducer.protocol;
  if (!clientTooOld && !clientTooNew) return;
  const serves = reducer.oldest === undefined ? '' : ` and serves from ${reducer.oldest} on`;
  const detail =
    `The reducer is version ${reducer.version} (protocol ${reducer.protocol}${serves}), ` +
    `this client is version ${productVersion} (protocol ${protocolVersion}).`;
  const older = clientTooOld ? 'client' : 'reducer';
  throw new ConsiliumError('CLIENT_VERSION_MISMATCH', detail, { where, fix: `Update the ${older}.` });
}
