import { ConsiliumError, productVersion, protocolVersion } from '@consilium/protocol';
import { z } from 'zod';
import type { ApiClient } from '../core/api-client.js';

/** What any version of a reducer says of itself, newer ones included. */
const anyInfoSchema = z.looseObject({
  product: z.literal('consilium'),
  version: z.string(),
  protocol: z.int(),
  oldest_protocol: z.int(),
  reducer_key: z.string(),
});
export type ReducerInfo = z.infer<typeof anyInfoSchema>;

/**
 * Asks who answers there; nothing secret is sent.
 * @throws CLI_UNREACHABLE, CLI_BAD_ANSWER, CLI_VERSION
 */
export async function readInfo(api: ApiClient): Promise<ReducerInfo> {
  const info = await api.get('/info', anyInfoSchema);
  requireFit(info, api.url);
  return info;
}

/** @throws CLI_VERSION naming both versions and which one to update */
export function requireFit(info: ReducerInfo, where: string): void {
  const tooOld = protocolVersion < info.oldest_protocol;
  if (!tooOld && protocolVersion <= info.protocol) return;
  const detail =
    `The reducer is version ${info.version} and speaks protocol ${info.oldest_protocol} to ${info.protocol}; ` +
    `this command line is version ${productVersion} and speaks ${protocolVersion}.`;
  throw new ConsiliumError('CLI_VERSION', detail, {
    where,
    fix: `Update ${tooOld ? 'this command line' : 'the reducer'}.`,
  });
}
