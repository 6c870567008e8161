import { Agent, Dispatcher, ProxyAgent, fetch as undiciFetch } from 'undici';
import { trustedCertificates } from './certificates.js';
import { type ProxySettings, proxyFor } from './proxy.js';

export interface HttpDispatcherOptions extends ProxySettings {
  /** PEM file with certificate authorities to trust besides Node's own. */
  readonly caFile?: string;
}

/**
 * An undici dispatcher that goes through the HTTP CONNECT proxy where one is set, directly where
 * none is, and trusts the extra authorities. Use it with undici's own `fetch` (or `httpFetch`):
 * Node's global fetch carries another version of undici inside.
 *
 * @throws ConsiliumError BAD_REQUEST (CA file; a bad proxy URL comes up with the first request).
 */
export function httpDispatcher(options: HttpDispatcherOptions = {}): Dispatcher {
  return new RoutingDispatcher(options);
}

/** `fetch` through such a dispatcher. */
export function httpFetch(options: HttpDispatcherOptions = {}): typeof undiciFetch {
  const dispatcher = httpDispatcher(options);
  return (input, init) => undiciFetch(input, { dispatcher, ...init });
}

class RoutingDispatcher extends Dispatcher {
  readonly #settings: ProxySettings;
  readonly #ca: string[] | undefined;
  readonly #direct: Agent;
  readonly #proxies = new Map<string, ProxyAgent>();

  constructor(options: HttpDispatcherOptions) {
    super();
    this.#settings = options;
    this.#ca = trustedCertificates(options.caFile);
    this.#direct = new Agent(this.#ca === undefined ? {} : { connect: { ca: this.#ca } });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#route(options.origin).dispatch(options as never, handler);
  }

  #route(origin: string | URL | undefined): Dispatcher {
    const proxy = origin === undefined ? undefined : proxyFor(origin, this.#settings);
    if (proxy === undefined) return this.#direct;
    const known = this.#proxies.get(proxy.href);
    if (known !== undefined) return known;
    const tls = this.#ca === undefined ? {} : { requestTls: { ca: this.#ca }, proxyTls: { ca: this.#ca } };
    const agent = new ProxyAgent({ uri: proxy.href, ...tls });
    this.#proxies.set(proxy.href, agent);
    return agent;
  }

  override async close(): Promise<void> {
    await Promise.all([this.#direct.close(), ...[...this.#proxies.values()].map((agent) => agent.close())]);
  }

  override async destroy(): Promise<void> {
    await Promise.all([
      this.#direct.destroy(),
      ...[...this.#proxies.values()].map((agent) => agent.destroy()),
    ]);
  }
}
