import { isIP } from 'node:net';
import { ConsiliumError } from '@consilium/protocol';

export interface ProxySettings {
  /** URL of an HTTP proxy for everything, such as `http://proxy.example:3128`. Wins over the environment. */
  readonly proxy?: string;
  /** Hosts to reach directly, in the form of NO_PROXY. Wins over the environment. */
  readonly noProxy?: string;
  /** Defaults to `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const SECURE = new Set(['https:', 'wss:', 'tls:']);

/**
 * The proxy for a URL, or undefined for a direct connection. HTTPS_PROXY holds for https and wss,
 * HTTP_PROXY for http and ws, in lower case too (as curl has it, HTTP_PROXY is read in both cases:
 * we are no CGI program); ALL_PROXY for what is left. Loopback addresses are reached directly
 * unless `proxy` was given explicitly, so that a machine-wide HTTPS_PROXY does not break a platform
 * that runs on one machine.
 *
 * @throws ConsiliumError BAD_REQUEST when the proxy's URL is not one of an HTTP proxy.
 */
export function proxyFor(url: URL | string, settings: ProxySettings = {}): URL | undefined {
  const target = new URL(url);
  const env = settings.env ?? process.env;
  const read = (name: string): string | undefined => env[name.toLowerCase()] || env[name] || undefined;
  const bypass = settings.noProxy ?? read('NO_PROXY') ?? '';
  if (matchesNoProxy(target, bypass)) return undefined;
  if (settings.proxy !== undefined && settings.proxy !== '') return parseProxy(settings.proxy, 'proxy');
  if (isLoopback(target.hostname)) return undefined;
  const name = SECURE.has(target.protocol) ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const found = read(name) ?? read('ALL_PROXY');
  return found === undefined ? undefined : parseProxy(found, name);
}

/**
 * NO_PROXY as curl and Go read it: names separated by commas or spaces; `example.org` and
 * `.example.org` hold for the name and everything under it; `host:port` for that port; `*` for all.
 */
export function matchesNoProxy(target: URL, noProxy: string): boolean {
  const host = bareHost(target.hostname);
  const port = target.port || (SECURE.has(target.protocol) ? '443' : '80');
  for (const raw of noProxy.split(/[\s,]+/)) {
    if (raw === '') continue;
    if (raw === '*') return true;
    const { name, port: wanted } = splitPort(raw.toLowerCase());
    if (wanted !== undefined && wanted !== port) continue;
    const suffix = name.replace(/^\*?\./, '');
    if (host === suffix || (isIP(host) === 0 && host.endsWith(`.${suffix}`))) return true;
  }
  return false;
}

/** Whether a host name or address never leaves this machine. */
export function isLoopback(hostname: string): boolean {
  const host = bareHost(hostname);
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
  );
}

function bareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

function splitPort(entry: string): { name: string; port: string | undefined } {
  const found = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry);
  return found === null
    ? { name: bareHost(entry), port: undefined }
    : { name: bareHost(found[1]!), port: found[2] };
}

function parseProxy(text: string, where: string): URL {
  // curl takes `proxy:3128` without a scheme; so do the environments that hospitals set up.
  const url = URL.canParse(text) && text.includes('://') ? new URL(text) : undefined;
  const guessed = url ?? (URL.canParse(`http://${text}`) ? new URL(`http://${text}`) : undefined);
  if (guessed !== undefined && (guessed.protocol === 'http:' || guessed.protocol === 'https:'))
    return guessed;
  const shown = text.replace(/\/\/[^@/]*@/, '//***@');
  throw new ConsiliumError('BAD_REQUEST', `"${shown}" is not the URL of an HTTP proxy.`, { where });
}
