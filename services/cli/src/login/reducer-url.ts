import { ConsiliumError } from '@consilium/protocol';

/**
 * The address of a reducer as a person types it: without a slash at the end, and without the `/api/v1` of its API.
 * @throws CLI_BAD_URL
 */
export function reducerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new ConsiliumError('CLI_BAD_URL', `"${text}" has no http:// or https:// in front.`, {
      where: '<url>',
    });
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new ConsiliumError('CLI_BAD_URL', 'It carries more than host, port and path.', { where: '<url>' });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/api\/v1$/, '');
}

/** What a context is called unless the person says otherwise: the host, and the port where it is not the usual one. */
export function defaultContextName(url: string): string {
  return new URL(url).host;
}
