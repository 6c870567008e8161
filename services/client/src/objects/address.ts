import { isIP } from 'node:net';
import { isLoopback, proxyFor } from '@consilium/platform';
import { type ClientConfig, ConsiliumError } from '@consilium/protocol';

/** Link-local, "this host" and IPv4 written as IPv6: nobody serves objects there, but clouds serve their secrets. */
const LOCAL = [/^0\./, /^169\.254\./, /^::$/, /^fe[89ab][0-9a-f]:/, /^::ffff:/, /^fd00:ec2:/];

/**
 * Whether the client may ask there for an object, or bring one: the address comes from a combiner, which must
 * not use the client to reach what only this machine can reach, or lead it out of TLS.
 *
 * @param url signed URL of an object. It is a credential and stays out of the error.
 * @param site of client.yaml. Through a proxy, a loopback address is one of the proxy's, not of this machine.
 * @throws ConsiliumError CLIENT_URL_REFUSED
 */
export function requireObjectAddress(
  url: string,
  site: Pick<ClientConfig, 'url' | 'proxy' | 'no_proxy'>,
): void {
  const refuse = (detail: string, where: string): ConsiliumError =>
    new ConsiliumError('CLIENT_URL_REFUSED', detail, { where });
  if (!URL.canParse(url)) throw refuse('It is no URL.', 'signed URL');
  const { protocol, hostname, host, username, password } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:')
    throw refuse(`It begins with ${protocol}.`, 'signed URL');
  if (username !== '' || password !== '') throw refuse('It names a user.', host);
  const own = new URL(site.url);
  if (own.protocol === 'https:' && protocol !== 'https:' && !isLoopback(hostname)) {
    throw refuse('It is not encrypted, and the address of the reducer is.', host);
  }
  const bare = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const local = isIP(bare) !== 0 && LOCAL.some((pattern) => pattern.test(bare));
  const proxy = {
    ...(site.proxy === undefined ? {} : { proxy: site.proxy }),
    ...(site.no_proxy === undefined ? {} : { noProxy: site.no_proxy }),
  };
  const here = isLoopback(hostname) && !isLoopback(own.hostname) && proxyFor(url, proxy) === undefined;
  if (local || here) {
    throw refuse('It is an address of this machine or of its link only.', host);
  }
}
