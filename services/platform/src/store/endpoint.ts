import { ConsiliumError } from '@consilium/protocol';

/**
 * The address of a store: scheme, host, port. A path cannot be part of it, because what a gateway rewrites no
 * longer fits its signature.
 * @throws STORE_BAD_URL
 */
export function endpointUrl(text: string, where: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new ConsiliumError('STORE_BAD_URL', `${JSON.stringify(text)} is not a URL.`, { where, cause });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ConsiliumError('STORE_BAD_URL', `${url.protocol}// is not http:// or https://.`, { where });
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw new ConsiliumError(
      'STORE_BAD_URL',
      `Only scheme, host and port can be given, not more, for ${url.host}.`,
      {
        where,
      },
    );
  }
  return url;
}
