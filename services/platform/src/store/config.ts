import { ConsiliumError } from '@consilium/protocol';
import { endpointUrl } from './endpoint.js';
import { FilesystemStore } from './filesystem/store.js';
import type { ObjectStore, S3Config, StoreConfig, StoreDeps } from './types.js';

/**
 * Opens the store that a configuration names; no connection is made yet.
 * @throws STORE_BAD_CONFIG, STORE_BAD_URL
 */
export async function storeFromConfig(config: StoreConfig, deps: StoreDeps = {}): Promise<ObjectStore> {
  if (config.kind === 'filesystem') return new FilesystemStore(config, deps);
  endpointUrl(config.endpoint, 'endpoint');
  if (config.publicEndpoint !== undefined) endpointUrl(config.publicEndpoint, 'publicEndpoint');
  for (const name of ['accessKey', 'secretKey'] as const) {
    if (config[name] === '') throw new ConsiliumError('STORE_BAD_CONFIG', 'It is empty.', { where: name });
  }
  // Loaded only where it is used: the SDK takes a third of a second to load.
  const { S3Store } = await import('./s3/store.js');
  return new S3Store(config, deps);
}

const parameters = ['tls', 'region', 'public', 'path-style'];

/**
 * `s3://[key:secret@]host[:port][?tls=true|false&region=…&public=https://…&path-style=true|false]`, or `http(s)://…`
 * with the same. Key and secret are percent-decoded; without them AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
 * count, as does AWS_REGION. TLS is on for `s3://` except on loopback.
 * @throws STORE_BAD_URL, STORE_BAD_CONFIG
 */
export function parseStoreUrl(
  text: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): S3Config {
  const shown = text.replace(/\/\/[^@/]*@/, '//…@');
  const bad = (detail: string): ConsiliumError =>
    new ConsiliumError('STORE_BAD_URL', `${detail} in ${JSON.stringify(shown)}.`);
  const match = /^(s3|https?):\/\/(.*)$/.exec(text);
  if (match === null) throw bad('There is no s3://, http:// or https://');
  const [, scheme, rest] = match;
  let url: URL;
  try {
    // A scheme that URL knows, so that host and port are parsed as such.
    url = new URL(`${scheme === 'http' ? 'http' : 'https'}://${rest}`);
  } catch {
    throw bad('There is no valid host');
  }
  if (url.pathname !== '/') throw bad('There is a path: buckets are not part of the address');
  for (const name of url.searchParams.keys()) {
    if (!parameters.includes(name)) throw bad(`There is an unknown parameter "${name}"`);
  }
  const accessKey = decoded(url.username) || env.AWS_ACCESS_KEY_ID || '';
  const secretKey = decoded(url.password) || env.AWS_SECRET_ACCESS_KEY || '';
  if (accessKey === '' || secretKey === '') {
    throw new ConsiliumError('STORE_BAD_CONFIG', 'There is no access key and secret for the object store.', {
      fix: 'Put them into the address (s3://key:secret@host) or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    });
  }
  const tls = flag(url, 'tls', bad) ?? (scheme === 's3' ? !isLoopback(url.hostname) : scheme === 'https');
  if (scheme !== 's3' && url.searchParams.has('tls')) throw bad('tls goes with s3:// only');
  const forcePathStyle = flag(url, 'path-style', bad);
  const publicEndpoint = url.searchParams.get('public');
  const region = url.searchParams.get('region') ?? env.AWS_REGION;
  // `port` is empty where it is the default of the scheme it was parsed with: look it up in the text.
  const port = /:(\d+)(?:[/?#]|$)/.exec(rest?.replace(/^.*@/, '') ?? '')?.[1];
  const endpoint = `${tls ? 'https' : 'http'}://${url.hostname}${port === undefined ? '' : `:${port}`}`;
  return {
    kind: 's3',
    endpoint: endpointUrl(endpoint, 'store').origin,
    accessKey,
    secretKey,
    ...(publicEndpoint === null ? {} : { publicEndpoint: endpointUrl(publicEndpoint, 'public').origin }),
    ...(region === undefined || region === '' ? {} : { region }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
  };

  function decoded(part: string): string {
    try {
      return decodeURIComponent(part);
    } catch {
      throw bad('Key or secret is not validly percent-encoded');
    }
  }
}

function flag(url: URL, name: string, bad: (detail: string) => ConsiliumError): boolean | undefined {
  const value = url.searchParams.get(name);
  if (value === null) return undefined;
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw bad(`${name} is neither true nor false`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
