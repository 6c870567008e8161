import { isLoopback, proxyFor } from '@consilium/platform';
import { type ClientConfig, ConsiliumError } from '@consilium/protocol';

export interface NatsAddresses {
  readonly use: readonly string[];
  /** Left out, with the reason: the client must not do silently what client.yaml did not ask for. */
  readonly refused: readonly { readonly address: string; readonly why: string }[];
}

/**
 * The addresses of NATS that fit client.yaml: encrypted where the reducer's own is, and none that would go past
 * the proxy (only WebSocket goes through it).
 * @param addresses as the reducer names them
 * @throws ConsiliumError CLIENT_NATS_REFUSED when none is left
 */
export function natsAddresses(
  addresses: readonly string[],
  config: Pick<ClientConfig, 'url' | 'proxy' | 'no_proxy'>,
): NatsAddresses {
  const judged = addresses.map((address) => ({ address, why: whyNot(address, config) }));
  const refused = judged.flatMap(({ address, why }) => (why === undefined ? [] : [{ address, why }]));
  const use = judged.filter(({ why }) => why === undefined).map(({ address }) => address);
  if (use.length > 0) return { use, refused };
  const detail = refused.map(({ address, why }) => `${address}: ${why}`).join(' ');
  throw new ConsiliumError('CLIENT_NATS_REFUSED', detail, { where: config.url });
}

function whyNot(
  address: string,
  { url, proxy, no_proxy }: Pick<ClientConfig, 'url' | 'proxy' | 'no_proxy'>,
): string | undefined {
  if (!URL.canParse(address)) return 'It is no address.';
  const { protocol, hostname } = new URL(address);
  const encrypted = protocol === 'wss:' || protocol === 'tls:';
  if (url.startsWith('https:') && !encrypted && !isLoopback(hostname)) {
    return 'It is not encrypted, and url is.';
  }
  if (proxy === undefined || protocol === 'wss:' || protocol === 'ws:') return undefined;
  const settings = { proxy, ...(no_proxy === undefined ? {} : { noProxy: no_proxy }) };
  return proxyFor(address, settings) === undefined ? undefined : 'It cannot be reached through the proxy.';
}
