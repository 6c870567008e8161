import { ConsiliumError } from '@consilium/protocol';
import type { Dispatcher } from 'undici';
import type { ObjectInfo } from '../types.js';
import { storeHeader } from './wire.js';

/** What the store server says of an object in the headers of its answer. */
export function infoFrom(
  bucket: string,
  key: string,
  headers: Dispatcher.ResponseData['headers'],
): ObjectInfo {
  const size = one(headers[storeHeader.size]);
  const digest = one(headers[storeHeader.digest]);
  const etag = one(headers.etag);
  const modified = one(headers[storeHeader.modified]);
  const contentType = one(headers['content-type']);
  if (size === undefined || digest === undefined || etag === undefined || modified === undefined) {
    throw new ConsiliumError('STORE_UNAVAILABLE', 'The answer is not one of a store server.', {
      where: `${bucket}/${key}`,
    });
  }
  return {
    bucket,
    key,
    size: Number(size),
    digest,
    etag: etag.replace(/^"|"$/g, ''),
    modified: Number(modified),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
