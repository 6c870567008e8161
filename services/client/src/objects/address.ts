import { isIP } from 'node:net';
import { isLoopback } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';

/** Link-local, "this host" and IPv4 written as IPv6: nobody serves objects there, but clouds serve their secrets. */
const LOCAL = [/^0\./, /^169\.254\./, /^::$/, /^fe[89ab][0-9a-f]:/, /^::ffff:/, /^fd00:ec2:/];

/**
 * Whether the client may ask there for an object, or bring one: the address comes from a combiner, which must
 * not use the client to reach what only this machine can reach, or lead it out of TLS.
 *
 * @param url signed URL of an object. It is a credential and stays out of the error.
 * @param site `url` of client.yaml.
 * @throws ConsiliumError CLIENT_URL_REFUSED
 */
export function requireObjectAddress(url: string, site: string): void {
  const refuse = (detail: string, where: string): ConsiliumError =>
    new ConsiliumError('CLIENT_URL_REFUSED', detail, { where });
  if (!URL.canParse(url)) throw refuse('It is no URL.', 'signed URL');
  const { protocol, hostname, host, username, password } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:')
    throw refuse(`It begins with ${protocol}.`, 'signed URL');
  if (username !== '' || password !== '') throw refuse('It names a user.', host);
  const own = new URL(site);
  if (own.protocol === 'https:' && protocol !== 'https:') {
    throw refuse('It is not encrypted, and the address of the reducer is.', host);
  }
  const bare = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const local = isIP(bare) !== 0 && LOCAL.some((pattern) => pattern.test(bare));
  if (local || (isLoopback(hostname) && !isLoopback(own.hostname))) {
    throw refuse('It is an address of this machine or of its link only.', host);
  }
}
