import { ConsiliumError } from '@consilium/protocol';
import type { Dispatcher } from 'undici';
import type { Digest, ObjectInfo, PutOptions } from '../types.js';
import type { StoreHttp, StoreRequest } from './http.js';
import { storeHeader } from './wire.js';

/**
 * Sends a write with its conditions as headers. A refusal of a repeated write counts as success where the
 * object has just these bytes: the earlier try worked and its answer got lost.
 */
export async function writeConditionally(
  http: StoreHttp,
  request: StoreRequest,
  content: { readonly size: number; readonly digest: Digest },
  options: PutOptions,
  read: {
    readonly info: (headers: Dispatcher.ResponseData['headers']) => ObjectInfo;
    readonly head: () => Promise<ObjectInfo>;
  },
): Promise<ObjectInfo> {
  let tries = 0;
  const headers = {
    ...request.headers,
    [storeHeader.digest]: content.digest,
    ...(options.writeOnce ? { 'if-none-match': '*' } : {}),
    ...(options.ifMatch === undefined ? {} : { 'if-match': `"${options.ifMatch}"` }),
    ...(options.contentType === undefined ? {} : { 'content-type': options.contentType }),
  };
  try {
    const answer = await http.send({ ...request, headers }, (attempt) => {
      tries = attempt;
    });
    await answer.body.dump();
    return read.info(answer.headers);
  } catch (error) {
    if (tries > 1 && error instanceof ConsiliumError && error.http === 412) {
      const there = await read.head().catch(() => undefined);
      if (there?.digest === content.digest) return there;
    }
    throw error;
  }
}
